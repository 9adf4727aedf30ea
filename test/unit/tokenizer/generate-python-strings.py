"""Writes python-strings.json: what Jinja's string filters and methods make of characters on which languages differ.

Needs jinja2 3.1.6. Run: python3 test/unit/tokenizer/generate-python-strings.py > test/unit/tokenizer/python-strings.json
"""
import json

from jinja2 import Environment

EXPRESSIONS = [
    "x | trim", "x | trim('ab ')", "x | trim(chars='b')",
    "x.strip()", "x.lstrip()", "x.rstrip()", "x.strip('ab')", "x.lstrip('a\n')", "x.rstrip('😀b')", "x.strip(none)",
    "x.split() | join('|')", "x.split(none, 1) | join('|')", "x.split('a') | join('|')", "x.split('a', 1) | join('|')",
    "x.split(maxsplit=1) | join('|')", "x | title", "x.title()", "x | capitalize", "x.capitalize()",
    "x | upper", "x.upper()", "x | lower", "x.lower()",
]
CANDIDATES = [*range(0x00, 0x21), 0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x180E, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F,
              0x205F, 0x2060, 0x3000, 0xFEFF]
TEXTS = ["", "a", "ab ba", "  hello  wORLD  ", "don't STOP-me now(ok) [x]<y>", "it's 3rd a1b", "😀 smile 😀b", "aab\nxbba",
         "straße ßa", "ǆor Ǆor ǅor", "ﬁne ﬁre", "ῳa ᾳΑ ᾈλ", "ΟΔΟΣ ΣΑΣ σ", "İstanbul ISPARTA ı", "გამარჯობა", "éCOLE", "ŉa",
         *(f"{c}a{c}B{c}{c}c{c}" for c in map(chr, CANDIDATES))]

environment = Environment()
cases = []
for expression in EXPRESSIONS:
    template = environment.from_string("{{ " + expression + " }}")
    cases.append({"expression": expression, "outputs": [template.render(x=text) for text in TEXTS]})
print(json.dumps({"texts": TEXTS, "cases": cases}, indent=1))
