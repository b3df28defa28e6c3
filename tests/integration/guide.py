"""The blocks of code in the pages of docs/."""
import os
import re

from support import SOURCE

BLOCK = re.compile(r"(?:<!-- tests/integration/(\w+_test\.py) runs this -->\n)?```(\w+)\n(.*?)\n```", re.S)


def blocks(page):
    """[(kind, code, test that runs it or '')] of docs/<page>."""
    with open(os.path.join(SOURCE, "docs", page), encoding="utf-8") as file:
        return [(kind, code, mark) for mark, kind, code in BLOCK.findall(file.read())]


def marked(page, test):
    """The blocks that `test` runs: [(kind, code)]."""
    return [(kind, code) for kind, code, mark in blocks(page) if mark == test]
