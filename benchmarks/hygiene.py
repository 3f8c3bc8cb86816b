"""``make hygiene``: where mypyc falls back to generic code on the message path.

mypyc's front end goes over the compiled rooms and stops before the C. Of what it made, the functions of
``benchmarks.message_path`` are looked at: what ``mypyc -a`` would colour in them, and what it passes over, which is
calls of any Python callable, iteration by the iterator protocol, and native integers that become objects.

All functions are looked at for a mistake of mypyc's that corrupts memory: see ``benchmarks.borrowing``.

What only a failing message meets is left out: statements that lead to a ``raise``, and exception handlers.
"""

import ast
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mypy.errors import CompileError
from mypy.nodes import ClassDef, Decorator, FuncDef, MypyFile, Statement
from mypyc.annotate import ASTAnnotateVisitor, function_annotations
from mypyc.build import construct_groups, get_mypy_config
from mypyc.codegen.emitmodule import compile_modules_to_ir, parse_and_typecheck
from mypyc.errors import Errors
from mypyc.ir.func_ir import FuncIR
from mypyc.ir.ops import Box, CallC, DecRef, IncRef, KeepAlive
from mypyc.ir.rtypes import is_bool_or_bit_rprimitive, is_none_rprimitive
from mypyc.irbuild.mapper import Mapper
from mypyc.options import CompilerOptions

from benchmarks.borrowing import used_after_release
from benchmarks.message_path import ACCEPTED, MESSAGE_PATH, Accepted

CHECKOUT: Final = Path(__file__).resolve().parent.parent

# mypyc colours these as if they were classes like any other, and compiles them to native code all the same.
NATIVE: Final = {
    f'Creating an instance of non-native class "{name}" is slow.' for name in ("u8", "i16", "i32", "i64", "BytesWriter")
}
# Generic operations that have no colour.
COLOURLESS: Final = {
    "PyObject_Vectorcall": "Call of a Python callable.",
    "PyIter_Next": "Iteration by the iterator protocol.",
}
BORROWED: Final = "MEMORY: used after mypyc has let go of what it was borrowed of; make two statements of it."


@dataclass(frozen=True, slots=True)
class Finding:
    """One fall-back.

    Attributes:
        path: The source.
        line: In it.
        function: Its whole name.
        what: mypyc's words, or ours.
    """

    path: str
    line: int
    function: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.function}: {self.what}"


def compiled_files(checkout: Path) -> list[Path]:
    """The sources that the wheel has compiled, as ``pyproject.toml`` says."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
    files: list[Path] = []
    for entry in hook["include"]:
        place = checkout / entry.lstrip("/")
        files.extend(sorted(place.rglob("*.py")) if place.is_dir() else [place])
    return [file for file in files if not any(file.match(pattern) for pattern in hook["exclude"])]


def fallbacks(files: Sequence[Path], wanted: Mapping[str, Iterable[str]]) -> list[Finding]:
    """Compile the files as far as mypyc's intermediate code, and read that of the functions wanted.

    Args:
        files: What is compiled together.
        wanted: Names by class or module, as in ``MESSAGE_PATH``.

    Raises:
        CompileError: mypy or mypyc refuses the sources.
        LookupError: There is no such function; the text names all of them.
    """
    options = CompilerOptions()
    # As in the build: no configuration, and no cache, because code that comes out of one cannot be read.
    words = ["--config-file=", f"--cache-dir={os.devnull}", *map(str, files)]
    sources, all_sources, mypy_options = get_mypy_config(words, None, options, None)
    groups = construct_groups(sources, separate=False, use_shared_lib=True, group_name_override=None)
    result = parse_and_typecheck(all_sources, mypy_options, options, groups)
    try:
        mapper = Mapper({source.module: name for group, name in groups for source in group})
        errors = Errors(mypy_options)
        modules = compile_modules_to_ir(result, mapper, options, errors)
    finally:
        result.manager.metastore.close()
    if errors.num_errors:
        raise CompileError(errors.new_messages())
    missing = {f"{owner}.{name}" for owner, names in wanted.items() for name in names}
    found: list[Finding] = []
    for module, code in modules.items():
        state = result.graph[module]
        assert state.tree is not None
        definitions = dict(_definitions(state.tree))
        refusals = _refusals(Path(state.xpath).read_text(encoding="utf-8"))
        for function in code.functions:
            name = function.fullname
            for line in used_after_release(function):
                found.append(Finding(state.xpath, line, name, BORROWED))
            if name not in missing:
                continue
            missing.remove(name)
            definition = definitions[name]
            colours = ASTAnnotateVisitor(result.types, mapper)
            definition.accept(colours)
            # Not mypyc's generate_annotations, which keeps one of the two where both have something to say of a line.
            lines = [
                (line, annotation.message)
                for annotations in (function_annotations(function, state.tree), colours.anns)
                for line, entries in annotations.items()
                for annotation in entries
                if annotation.message not in NATIVE
            ]
            for line, what in sorted({*lines, *_colourless(function)}):
                if line not in refusals:
                    found.append(Finding(state.xpath, line, name, what))
    if missing:
        raise LookupError(f"not compiled: {', '.join(sorted(missing))}")
    return found


def _definitions(tree: MypyFile) -> Iterator[tuple[str, FuncDef]]:
    """Functions and methods, decorated ones too, by whole name."""
    for statement in tree.defs:
        yield from _definition(tree.fullname, statement)
        if isinstance(statement, ClassDef):
            for member in statement.defs.body:
                yield from _definition(f"{tree.fullname}.{statement.name}", member)


def _definition(owner: str, statement: Statement) -> Iterator[tuple[str, FuncDef]]:
    function = statement.func if isinstance(statement, Decorator) else statement
    if isinstance(function, FuncDef):
        yield f"{owner}.{function.name}", function


def _refusals(source: str) -> set[int]:
    """The lines that only a failing message meets: every ``raise``, suites that end with one, exception handlers."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        suites: list[list[ast.stmt]] = []
        if isinstance(node, ast.Raise):
            suites.append([node])
        elif isinstance(node, ast.ExceptHandler):
            lines.add(node.lineno)
            suites.append(node.body)
        elif isinstance(node, ast.If | ast.For | ast.While | ast.Try | ast.With):
            branches = [node.body, getattr(node, "orelse", [])]
            suites.extend(branch for branch in branches if branch and isinstance(branch[-1], ast.Raise))
        for suite in suites:
            lines.update(range(suite[0].lineno, (suite[-1].end_lineno or suite[-1].lineno) + 1))
    return lines


def _colourless(function: FuncIR) -> Iterator[tuple[int, str]]:
    """Fall-backs that mypyc does not colour: line and what."""
    code = [op for block in function.blocks for op in block.ops]
    for op in code:
        if isinstance(op, CallC) and op.function_name in COLOURLESS:
            yield op.line, COLOURLESS[op.function_name]
        elif isinstance(op, Box) and not (is_none_rprimitive(op.src.type) or is_bool_or_bit_rprimitive(op.src.type)):
            # Its own line may be that of an assignment further up; what matters is where the object is wanted.
            for user in code:
                if op in user.sources() and not isinstance(user, IncRef | DecRef | KeepAlive):
                    wanted_by = user.function_name if isinstance(user, CallC) else type(user).__name__
                    yield user.line, f"Native {op.src.type} becomes an object for {wanted_by}."


def unaccepted(findings: Iterable[Finding], accepted: Iterable[Accepted]) -> tuple[list[Finding], list[str]]:
    """Take out what is accepted.

    Returns:
        The findings that are left, and what is accepted in vain: nothing is found there any more.
    """
    left = list(findings)
    vain: list[str] = []
    for entry in accepted:
        for words in entry.words:
            others = [each for each in left if each.function != entry.function or words not in each.what]
            if len(others) == len(left):
                vain.append(f"{entry.function}: {words}")
            left = others
    return left, vain


def main() -> int:
    """Say what falls back; 0 if nothing does but what is accepted."""
    os.chdir(CHECKOUT)
    try:
        findings = fallbacks(compiled_files(Path()), MESSAGE_PATH)
    except CompileError as error:
        say("\n".join(error.messages))
        return 1
    except LookupError as error:
        say(f"benchmarks/message_path.py names what is {error}")
        return 1
    left, vain = unaccepted(findings, ACCEPTED)
    for finding in left:
        say(str(finding))
    for entry in vain:
        say(f"benchmarks/message_path.py accepts in vain: {entry}")
    functions = sum(len(names) for names in MESSAGE_PATH.values())
    say(f"{functions} functions of the message path: {len(left)} fall-backs, {len(findings) - len(left)} accepted")
    return 1 if left or vain else 0


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
