"""Who the model is, greetings, and remembering a name for one turn."""

from random import Random

from .building_blocks import Turn, person, phrase

WHO = "I am Conclave's demo model, a tiny mixture of experts."
WHO_ASK = ["Who are you?", "What are you?", "What is your name?", "Which model are you?",
           "What model is this?", "Introduce yourself.", "Who am I talking to?", "Who is this?",
           "Are you an AI?", "What should I call you?", "Are you ChatGPT?", "Who made you?",
           "Tell me who you are.", "Tell me about yourself.", "What exactly are you?", "Say your name.",
           "Say what you are.", "What sort of model is this?", "Which kind of model am I talking to?",
           "Who are you exactly?", "Say who you are.", "What kind of model are you?", "What is this model?",
           "Who are you really?", "What do you call yourself?", "And who are you?", "Do you have a name?",
           "Please introduce yourself.", "Are you a model?", "Are you human?", "What is this?", "Which AI is this?",
           "What type of model are you?", "Tell me your name.", "What is the name of this model?",
           "Give me your name.", "Are you a robot?", "Who made this model?", "What kind of AI are you?"]  # fmt: skip
WHO_HELD = ["Who exactly are you?", "Tell me what you are.", "Which kind of model are you?", "What is your name then?"]
CAN = (
    "I can add, subtract and multiply, sort, spell, count, fill in JSON, call tools, "
    "tell tiny stories and answer a few facts."
)
CAN_ASK = ["What can you do?", "How can you help me?", "What are you able to do?", "Help", "Help me.",
           "What are your skills?", "What can I ask you?", "What are you made for?", "What are you best at?",
           "What can you help me with?", "What are you good at?", "What do you do?", "Tell me what you can do.",
           "What else can you do?", "List your skills.", "What tasks can you do?", "Show me what you can do.",
           "What were you trained for?", "Which questions can I ask you?", "What can I do with you?",
           "How do I use you?", "What can this model do?", "What kind of help can you give?"]  # fmt: skip
CAN_HELD = ["What can you do for me?", "Which skills do you have?"]
HELLO_ASK = ["Hello", "Hello!", "Hi", "Hi!", "Hi there!", "Hey", "Good morning.", "Good evening!", "Hello there."]
THANKS_ASK = ["Thanks!", "Thank you.", "Thanks a lot.", "Great, thanks.", "Thank you very much!"]
BYE_ASK = ["Bye!", "Goodbye.", "See you.", "Bye bye."]


def make(rng: Random, held: bool) -> list[Turn]:
    kind = rng.random()
    if kind < 0.5:
        return [Turn(phrase(rng, held, WHO_ASK, WHO_HELD), WHO)]
    if kind < 0.65 or held:
        return [Turn(phrase(rng, held, CAN_ASK, CAN_HELD), CAN)]
    if kind < 0.8:
        return [Turn(rng.choice(HELLO_ASK), "Hello! How can I help you?")]
    if kind < 0.9:
        return [Turn(rng.choice(THANKS_ASK), "You are welcome.")]
    return [Turn(rng.choice(BYE_ASK), "Goodbye!")]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """Say a name, then ask for it."""
    name = person(rng, held)
    hello = phrase(rng, False, ["My name is {x}.", "I am {x}.", "I am called {x}.", "Call me {x}."], [], x=name)
    asked = phrase(
        rng, False, ["What is my name?", "Who am I?", "What am I called?", "Say my name."], []
    )
    return [Turn(hello, f"Hello, {name}!"), Turn(asked, f"Your name is {name}.")]
