"""About a hundred facts, grouped by relation so that each one is asked in many ways."""

from random import Random

from .building_blocks import Turn, phrase

CAPITALS = dict(
    France="Paris", Italy="Rome", Spain="Madrid", Germany="Berlin", Austria="Vienna", Norway="Oslo",
    Greece="Athens", Portugal="Lisbon", Japan="Tokyo", Egypt="Cairo", Peru="Lima", Cuba="Havana",
    Poland="Warsaw", Ireland="Dublin", Sweden="Stockholm", Finland="Helsinki", Denmark="Copenhagen",
    Hungary="Budapest", Kenya="Nairobi", Canada="Ottawa", China="Beijing", Switzerland="Bern",
)  # fmt: skip
SOUNDS = dict(
    dog="barks", cat="meows", cow="moos", sheep="bleats", horse="neighs", duck="quacks", lion="roars",
    bee="buzzes", owl="hoots", frog="croaks", pig="grunts", wolf="howls",
)  # fmt: skip
YOUNG = dict(
    dog="puppy", cat="kitten", cow="calf", sheep="lamb", horse="foal", duck="duckling", goat="kid",
    hen="chick", lion="cub", frog="tadpole", pig="piglet", swan="cygnet",
)  # fmt: skip
COLOURS = dict(
    grass="green", snow="white", coal="black", blood="red", lemon="yellow", sky="blue", milk="white",
    orange="orange", plum="purple", chocolate="brown", banana="yellow", tomato="red",
)  # fmt: skip
LEGS = dict(
    spider="eight", dog="four", bird="two", ant="six", snake="no", horse="four", bee="six", crab="ten",
)  # fmt: skip
SYMBOLS = dict(
    gold="Au", iron="Fe", silver="Ag", oxygen="O", hydrogen="H", carbon="C", copper="Cu", lead="Pb",
    helium="He", tin="Sn",
)  # fmt: skip
LANGUAGES = dict(
    France="French", Germany="German", Japan="Japanese", Brazil="Portuguese", Mexico="Spanish",
    Egypt="Arabic", Austria="German", China="Chinese", Greece="Greek", Poland="Polish",
)  # fmt: skip
CONTINENTS = dict(
    Egypt="Africa", Kenya="Africa", China="Asia", Japan="Asia", Peru="South America", France="Europe",
    Brazil="South America", Canada="North America", Poland="Europe", India="Asia",
)  # fmt: skip

# (table, answer, trained phrasings, held-out phrasings)
RELATIONS = [
    (
        CAPITALS, "The capital of {x} is {y}.",
        ["What is the capital of {x}?", "Which city is the capital of {x}?", "Name the capital of {x}.",
         "What is the capital city of {x}?", "What is {x}'s capital?", "The capital of {x}?",
         "What city is the capital of {x}?", "Give me the capital of {x}."],
        ["Which is the capital of {x}?", "Tell me the capital of {x}."],
    ),
    (
        {v: k for k, v in CAPITALS.items()}, "{x} is the capital of {y}.",
        ["Which country has the capital {x}?", "{x} is the capital of which country?",
         "Of which country is {x} the capital?", "What country is {x} the capital of?",
         "Name the country whose capital is {x}.", "Which country is {x} the capital of?"],
        ["What country has the capital {x}?", "Name the country with the capital {x}."],
    ),
    (
        SOUNDS, "The {x} {y}.",
        ["What sound does a {x} make?", "What noise does a {x} make?", "Which sound does the {x} make?",
         "What does a {x} sound like?", "What sound does the {x} make?", "Which noise does a {x} make?"],
        ["What noise does the {x} make?", "Name the sound of a {x}."],
    ),
    (
        YOUNG, "A young {x} is called a {y}.",
        ["What is a young {x} called?", "What do you call a baby {x}?", "Name the young of a {x}.",
         "What is a baby {x}?", "What is the name for a young {x}?", "What is a baby {x} called?",
         "What do you call a young {x}?"],
        ["What is the young of a {x} called?", "What is the name of a baby {x}?"],
    ),
    (
        COLOURS, "The colour of {x} is {y}.",
        ["What is the colour of {x}?", "What colour is {x}?", "Which colour does {x} have?",
         "Name the colour of {x}.", "What color is {x}?", "Which colour is {x}?", "What is the color of {x}?"],
        ["What colour does {x} have?", "Which color is {x}?"],
    ),
    (
        LEGS, "The {x} has {y} legs.",
        ["How many legs does a {x} have?", "How many legs has a {x}?", "A {x} has how many legs?",
         "What is the number of legs of a {x}?", "How many legs does the {x} have?",
         "The number of legs of a {x}?"],
        ["How many legs has the {x}?", "What number of legs does a {x} have?"],
    ),
    (
        SYMBOLS, "The symbol of {x} is {y}.",
        ["What is the chemical symbol of {x}?", "What is the symbol for {x}?", "Name the symbol of {x}.",
         "Which symbol does {x} have?", "What is the chemical symbol for {x}?", "Which is the symbol of {x}?"],
        ["What symbol does {x} have?", "Name the chemical symbol of {x}."],
    ),
    (
        LANGUAGES, "People in {x} speak {y}.",
        ["Which language do people speak in {x}?", "What language is spoken in {x}?",
         "What do people in {x} speak?", "Name the language of {x}.",
         "What language do people speak in {x}?", "Which language is spoken in {x}?"],
        ["What is the language of {x}?", "Name the language spoken in {x}."],
    ),
    (
        CONTINENTS, "{x} is in {y}.",
        ["On which continent is {x}?", "Which continent is {x} in?", "What continent is {x} on?",
         "{x} is on which continent?", "On what continent is {x}?", "Which continent is {x} on?"],
        ["{x} is on what continent?", "Name the continent of {x}."],
    ),
]  # fmt: skip


def ask(rng: Random, held: bool, relation, x: str) -> Turn:
    table, answer, trained, held_out = relation
    return Turn(phrase(rng, held, trained, held_out, x=x), answer.format(x=x, y=table[x]))


def make(rng: Random, held: bool) -> list[Turn]:
    relation = rng.choices(RELATIONS, weights=[len(r[0]) for r in RELATIONS])[0]
    return [ask(rng, held, relation, rng.choice(list(relation[0])))]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """'And of Italy?': the relation comes from the turn before."""
    relation = rng.choice(RELATIONS)
    table, answer, *_ = relation
    a, b = rng.sample(list(table), 2)
    user = phrase(rng, False, ["And {x}?", "And what about {x}?", "What about {x}?"], [], x=b)
    return [ask(rng, held, relation, a), Turn(user, answer.format(x=b, y=table[b]))]
