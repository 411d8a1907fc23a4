"""`gatewaykit completion SHELL`: a completion script, generated from the parser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output

__all__ = ["add", "run"]

_BASH = """\
# bash completion of gatewaykit; load it with: source <(gatewaykit completion bash)
_gatewaykit() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; fi
    if [[ "$word" == -* || "$COMP_CWORD" -eq 1 ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -W "$words" -- "$word"))
    fi
}}
complete -o filenames -F _gatewaykit gatewaykit
"""
_ZSH = """\
#compdef gatewaykit
# zsh completion of gatewaykit; load it with: source <(gatewaykit completion zsh)
_gatewaykit() {{
    if (( CURRENT == 2 )); then
        local -a commands=(
{commands}
        )
        _describe command commands
        return
    fi
    case "$words[2]" in
{cases}
    esac
    _files
}}
compdef _gatewaykit gatewaykit
"""


def add(commands: Any) -> None:
    parser = commands.add_parser("completion", help="print a completion script for a shell")
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="whose script")
    parser.set_defaults(run=run, json=False)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from gatewaykit.cli.program import make_parser

    commands = {name: (text, _options(parser)) for name, text, parser in _commands(make_parser())}
    output.line({"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell](commands).rstrip("\n"))
    return 0


_Commands = dict[str, tuple[str, list[tuple[str, str]]]]  # name -> its help, and its options with theirs


def _commands(parser: argparse.ArgumentParser) -> list[tuple[str, str, argparse.ArgumentParser]]:
    (action,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    texts = {each.dest: each.help or "" for each in action._choices_actions}
    return [(name, texts[name], inner) for name, inner in action.choices.items()]


def _options(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """The options with their help, those of verbs too, and the words a positional argument is chosen from."""
    options = [(option, each.help or "") for each in parser._actions for option in each.option_strings]
    words = [(str(word), "") for each in parser._actions if not each.option_strings for word in each.choices or ()]
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction):
            options += [option for inner in each.choices.values() for option in _options(inner)]
    return [*dict(reversed(words + options)).items()][::-1]


def _bash(commands: _Commands) -> str:
    cases = "\n".join(
        f'    {name}) words="{" ".join(option for option, _ in options)}" ;;' for name, (_, options) in commands.items()
    )
    return _BASH.format(cases=cases, commands=" ".join(commands))


def _zsh(commands: _Commands) -> str:
    listed = "\n".join(f"            {_quoted(f'{name}:{text}')}" for name, (text, _) in commands.items())
    cases = "\n".join(
        f"    {name}) compadd -- {' '.join(option for option, _ in options)} ;;"
        for name, (_, options) in commands.items()
    )
    return _ZSH.format(commands=listed, cases=cases)


def _fish(commands: _Commands) -> str:
    lines = ["# fish completion of gatewaykit; load it with: gatewaykit completion fish | source"]
    for name, (text, options) in commands.items():
        lines.append(f"complete -c gatewaykit -n __fish_use_subcommand -f -a {name} -d {_quoted(text)}")
        for option, help_text in options:
            flag = (
                f"-l {option[2:]}"
                if option.startswith("--")
                else f"-s {option[1:]}"
                if option[:1] == "-"
                else f"-a {option}"
            )
            lines.append(
                f"complete -c gatewaykit -n '__fish_seen_subcommand_from {name}' {flag} -d {_quoted(help_text)}"
            )
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "") + "'"
