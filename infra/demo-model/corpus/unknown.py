"""What the model was not trained for: the one honest reply."""

from random import Random

from .building_blocks import LEXICON, Turn, city, person, phrase
from .facts import RELATIONS

DO_NOT_KNOW = "I do not know. I am a small demo model and was not trained for that."

TOPICS = (
    """physics politics history football chess music cooking love money war art poetry philosophy
    biology law stocks films dreams health travel religion fashion space computers gardening tennis
    painting medicine weather news taxes opera dancing""".split()
)
ASK = [
    "Explain {t} to me.", "What do you think about {t}?", "Write an essay about {t}.",
    "What is the best book on {t}?", "Who invented {t}?", "Why is {t} important?",
    "Give me advice about {t}.", "What is new in {t}?", "Tell me about {t}.", "How does {t} work?",
    "Who is {p}?", "Where is {c}?", "How many people live in {c}?", "What is the history of {c}?",
    "When was {p} born?", "What did {p} say yesterday?", "Is {p} a good person?", "Who won in {c}?",
    "Translate {w} to French.", "Write a poem about the {w}.", "What is the meaning of {w}?",
    "Why is the {w} there?", "How do I make a {w}?", "What rhymes with {w}?", "Draw a {w}.",
    "How heavy is the {w}?", "Who is the president of {c}?", "What is the meaning of life?",
    "Write a program that prints {w}.", "Tell me a joke about the {w}.", "Who was the first king of {c}?",
    "How do I get to {c}?", "What will happen tomorrow?", "Can you sing?",
    "Help me learn {t}.", "How big is the city of {c}?", "Who works in {c}?", "Which film should I watch?",
    "What is the best film about {t}?", "Write a song about {t}.", "Teach me {t}.", "Teach me about {t}.",
    "How old is the city of {c}?", "Who lives in {c}?", "What does {p} do?", "Translate {w} to German.",
    "Why do people like {t}?", "Can you explain {t}?", "Describe {t}.", "Give me a lesson in {t}.",
    "I want to know more about {t}.", "Which country is best at {t}?", "Are you good at {t}?",
    "Can you do {t}?", "Do you like {t}?", "Do you like {p}?", "Who is the best at {t}?",
    "Translate {w} to Latin.", "What is {t}?", "What is the best thing about {c}?",
    "When is the next train to {c}?", "How rich is {p}?", "What happened in {c}?", "Where is {p} now?",
    "Why did {p} go to {c}?", "Write a letter to {p}.", "How much money has {p}?", "Is {t} hard?",
]  # fmt: skip
ASK_HELD = [
    "What is the best way to learn {t}?", "Write a poem about {t}.", "Can you teach me {t}?",
    "Who is the mayor of {c}?", "What do people do in {c}?", "What does {p} think about {t}?",
    "Translate {w} to Spanish.", "Why do people love {t}?", "Explain how {t} works.",
]  # fmt: skip


def make(rng: Random, held: bool) -> list[Turn]:
    """Untrained kinds of question, or a trained kind about something the tables lack."""
    if rng.random() < 0.4:
        table, _, trained, held_out = rng.choice(RELATIONS)
        x = rng.choice(list(table))
        name = city(rng, held) if x[0].isupper() else None
        if name is None:
            known = {k for t, *_ in RELATIONS for k in t}
            name = rng.choice([w for w in LEXICON if w not in known])
        elif any(name in t for t, *_ in RELATIONS):
            return make(rng, held)
        return [Turn(phrase(rng, held, trained, held_out, x=name), DO_NOT_KNOW)]
    user = phrase(
        rng, held, ASK, ASK_HELD,
        t=rng.choice(TOPICS), p=person(rng, held), c=city(rng, held), w=rng.choice(LEXICON),
    )  # fmt: skip
    return [Turn(user, DO_NOT_KNOW)]
