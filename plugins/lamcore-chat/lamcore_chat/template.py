"""Chat templates: jinja2 in a sandbox, in which a render says itself which parts the assistant generates.

A template is a stranger's text, so it gets little: `if`, `for`, `set`, `~`, `+`, comparisons, a few filters and tests;
attributes are keys of data; no function but `raise_exception`; characters, steps and time of a render are bounded."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes, pass_context
from jinja2.ext import Extension
from jinja2.filters import FILTERS
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from lamcore.errors import safe, some

SHIPPED = ("plain", "chatml", "llama3")
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
"""Pieces that every vocabulary of lamcore has."""
END = SPECIAL[3]
LONGEST, MOST, STEP, SECONDS = 64_000, 4_000_000, 20, 2.0
"""Characters of a template, those that a render may join and write, those that a step of a loop counts for, and the
most seconds of the processor's time for a render."""
Message = dict[str, str]

LANGUAGE: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.List, nodes.Tuple, nodes.For,
    nodes.If, nodes.Assign, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Compare, nodes.Operand, nodes.And,
    nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.CondExpr, nodes.Keyword, nodes.ExtensionAttribute,
)  # fmt: skip
"""What may stand in a template."""
WORDS = "if, for, set, generation, ~, +, comparisons, and, or, not, in"
KNOWN_FILTERS = ("trim", "length", "count", "first", "last", "lower", "upper", "string", "default")
BARE = KNOWN_FILTERS[:-1]
KNOWN_TESTS = ("defined", "undefined", "none", "string", "eq", "ne", "in", "odd", "even")
LOOP = ("index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem", "nextitem")
BUDGET = " budget"
"""Where a render keeps what it may still use: no name that a template can say."""


class Refused(Exception):
    """A record that a template can't render, in the words of the template or of the sandbox."""


class Generated(str):
    """What stands in a `generation` block, while the pieces of a render are collected."""


class Budget:
    """What a render may still use."""

    def __init__(self) -> None:
        self.left, self.end = MOST, time.thread_time() + SECONDS

    def spend(self, amount: int) -> None:
        """Take characters off; raise Refused where a render takes too many, or too long."""
        self.left -= amount
        if self.left < 0:
            raise Refused(f"it joins and writes more than {MOST:,} characters")
        if time.thread_time() > self.end:
            raise Refused(f"it takes more than {SECONDS:g} seconds to render")


class Generation(Extension):
    """`{% generation %}...{% endgeneration %}`: what the assistant writes, its stop mark included."""

    tags: set[str] = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        """Turn the block into a call whose answer is one Generated text."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("generated"), [], [], body).set_lineno(line)

    def generated(self, caller: Callable[[], str]) -> Generated:
        """Mark a block's text."""
        return Generated(caller())


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment without attributes, functions and growth."""

    intercepted_binops = frozenset({"+"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, extensions=[Generation], autoescape=False
        )
        own: dict[str, Callable[..., Any]] = {"counted": _counted, "joined": _joined}
        self.filters = {name: FILTERS[name] for name in KNOWN_FILTERS} | own
        self.tests = {name: TESTS[name] for name in KNOWN_TESTS}
        self.globals = {"raise_exception": _raise}

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item; there are no attributes."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=argument)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an item, or what there is to know of a loop."""
        if isinstance(obj, LoopContext) and attribute in LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Add, within the budget."""
        result = left + right
        context.parent[BUDGET].spend(len(result) if isinstance(result, (str, list, tuple)) else 1)
        return result


@pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    """Go through items, within the budget."""
    for item in items:
        context.parent[BUDGET].spend(STEP)
        yield item


@pass_context
def _joined(context: Context, parts: Sequence[Any]) -> str:
    """Join texts, within the budget."""
    texts = [str(part) for part in parts]
    context.parent[BUDGET].spend(sum(map(len, texts)))
    return "".join(texts)


def _raise(text: str) -> None:
    raise Refused(safe(text)[:500])


@dataclass(frozen=True)
class Template:
    """A template that is ready to render."""

    marks: tuple[str, ...]
    """Its texts that are one piece of the vocabulary each."""
    stop: str
    """The mark that ends an assistant's turn."""
    call: str
    """The mark before calls; "" where they stand bare, in place of a text."""
    compiled: Any

    def render(self, messages: Sequence[Message], tools: str, prompt: bool) -> list[str | Generated]:
        """Return the pieces of a conversation; `prompt` adds what stands before an answer.

        Messages hold texts: role, content, calls, name; no text may hold a mark (see `escaped`). Raises Refused."""
        budget = Budget()
        given = {"messages": messages, "tools": tools, "add_generation_prompt": prompt, BUDGET: budget}
        pieces: list[str | Generated] = []
        try:
            for text in self.compiled.root_render_func(self.compiled.new_context(given)):
                budget.spend(len(text))
                pieces.append(text)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise Refused(f"the template fails: {safe(error)[:500]}") from error
        return pieces

    @functools.cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        marks = [f"{re.escape(mark[0])}%s{re.escape(mark[1:])}" for mark in {*self.marks, *SPECIAL}]
        every = [mark % r"\\*" for mark in marks], [mark % r"\\+" for mark in marks]
        return re.compile("|".join(every[0])), re.compile("|".join(every[1]))

    def escaped(self, text: str) -> str:
        """Return a text in which each mark, and what looks like an escaped one, has one backslash more in it."""
        return self._patterns[0].sub(lambda found: f"{found[0][0]}\\{found[0][1:]}", text)

    def unescaped(self, text: str) -> str:
        """Return the text that `escaped` was given."""
        return self._patterns[1].sub(lambda found: f"{found[0][0]}{found[0][2:]}", text)

    def escaped_json(self, text: str) -> str:
        """Return JSON of the same value that holds no mark."""
        for mark in {*self.marks, *SPECIAL}:
            text = text.replace(mark, f"\\u{ord(mark[0]):04x}{mark[1:]}")
        return text


def text_of(template: str) -> str:
    """Return the text of a template: a shipped one's, a file's whose name ends in .jinja, or the text itself.

    Raises ValueError where there is none."""
    if template in SHIPPED:
        return files("lamcore_chat").joinpath("templates", f"{template}.jinja").read_text(encoding="utf-8")
    if "{%" in template:
        return template
    path = Path(template).expanduser()
    if path.suffix != ".jinja" or not path.is_file():
        names = ", ".join(SHIPPED)
        raise ValueError(
            f"template must be one of {names}, or a file that is there and ends in .jinja, not {template!r}"
        )
    if path.stat().st_size > 4 * LONGEST:
        raise ValueError(f"{template} is longer than {LONGEST:,} characters")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{template} can't be read: {error}") from error


@functools.lru_cache(maxsize=32)
def compiled(text: str) -> Template:
    """Return the template that a text makes; raise ValueError with the line where it can't be one."""
    if len(text) > LONGEST:
        raise ValueError(f"template is longer than {LONGEST:,} characters")
    sandbox = Sandbox()
    try:
        tree = sandbox.parse(text)
        _check(tree)
        said = _said(tree)
        made = sandbox.from_string(_bounded(tree))
    except TemplateError as error:
        raise ValueError(f"template, line {getattr(error, 'lineno', 1)}: {safe(error.message)}") from error
    except (RecursionError, MemoryError, SyntaxError, OverflowError) as error:
        raise ValueError(f"template is nested too deep: {type(error).__name__}") from error
    marks: Any = said.get("marks")
    stop: Any = said.get("stop")
    call: Any = said.get("call", "")
    _check_marks(marks, stop, call)
    return Template(tuple(marks), stop, call, made)


def _check(tree: nodes.Template) -> None:
    """Raise ValueError where a template holds what it may not."""
    own = [
        block.call for block in tree.find_all(nodes.CallBlock) if isinstance(block.call.node, nodes.ExtensionAttribute)
    ]
    if not own:
        raise ValueError("template has no {% generation %}...{% endgeneration %} around what the assistant writes")
    for node in tree.find_all(nodes.Node):
        problem = _problem(node, own)
        if problem:
            raise ValueError(f"template, line {node.lineno}: {problem}")


def _problem(node: nodes.Node, own: list[nodes.Call]) -> str:
    if isinstance(node, nodes.CallBlock):
        return "" if any(node.call is one for one in own) else "there is no call block"
    if isinstance(node, nodes.Call):
        mine = any(node is one for one in own) or node.node == nodes.Name("raise_exception", "load")
        return "" if mine else "it may call nothing but raise_exception(TEXT)"
    if isinstance(node, (nodes.Filter, nodes.Test)):
        kind, known = ("filter", KNOWN_FILTERS) if isinstance(node, nodes.Filter) else ("test", KNOWN_TESTS)
        if node.name not in known:
            return f"there is no {kind} {node.name}, but {', '.join(known)}"
        return f"{node.name} takes nothing here" if node.name in BARE and (node.args or node.kwargs) else ""
    if not isinstance(node, LANGUAGE) or getattr(node, "recursive", False):
        return f"{type(node).__name__.lower()} can't stand in it; there are {WORDS}"
    return ""


def _said(tree: nodes.Template) -> dict[str, Any]:
    """Return the constants that a template sets first of all: marks, stop, call."""
    found: dict[str, Any] = {}
    for node in (node for node in tree.body if isinstance(node, nodes.Assign)):
        if isinstance(node.target, nodes.Name) and isinstance(node.node, nodes.Expr):
            try:
                found.setdefault(node.target.name, node.node.as_const())
            except nodes.Impossible:
                continue
    return found


def _check_marks(marks: Any, stop: Any, call: Any) -> None:
    right = isinstance(marks, (list, tuple)) and all(isinstance(m, str) and 2 < len(m) < 100 for m in marks)
    if not right or not marks:
        what = "its texts, of 3 or more characters, that are one piece of the vocabulary each"
        raise ValueError(f"template needs {{% set marks = [TEXT, ...] %}}: {what}")
    firsts = {mark[0] for mark in (*marks, *SPECIAL)}
    odd = [m for m in marks if firsts & {*m[1:]} or re.search(r"[\s\\\"\w]", m[0]) or re.search(r"[\s\\\"]", m)]
    if odd:
        what = "begin with a sign such as <, which stands nowhere else in a mark, and hold no blank, quote or backslash"
        raise ValueError(f"template: its marks must {what}, but there is {some(map(repr, odd))}")
    if stop not in marks:
        raise ValueError("template needs {% set stop = MARK %}, one of its marks: what ends an assistant's turn")
    if call and call not in marks:
        raise ValueError(f"template: call is {call!r}, which is none of its marks")


def _bounded(tree: nodes.Template) -> nodes.Template:
    """Have loops and joins ask the budget."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None).set_lineno(loop.lineno)
    for parent in [tree, *tree.find_all(nodes.Node)]:
        for name in parent.fields:
            value = getattr(parent, name)
            if isinstance(value, nodes.Concat):
                setattr(parent, name, _join(value))
            elif isinstance(value, list):
                value[:] = [_join(one) if isinstance(one, nodes.Concat) else one for one in value]
    tree.set_environment(tree.environment)  # type: ignore[arg-type]
    return tree


def _join(node: nodes.Concat) -> nodes.Filter:
    joined = nodes.Filter(nodes.List(node.nodes), "joined", [], [], None, None)
    joined.set_lineno(node.lineno)
    return joined
