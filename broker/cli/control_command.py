"""``ponymqctl``: ask a running broker, over its HTTP API or local socket; or look into a stopped one's directory."""

import typer

from broker.cli import (
    account_commands,
    bench_command,
    definition_commands,
    doctor_command,
    list_commands,
    log_commands,
    node_commands,
    parameter_commands,
    peer_commands,
    policy_commands,
    queue_commands,
    top_command,
)
from broker.cli.words import Words, before_the_word

app = typer.Typer(
    cls=Words,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Ask a running PonyMQ in rabbitmqctl's words (list_queues is list-queues), or look into what a stopped one "
        "keeps (log). Data goes to standard output, messages to standard error.\n\n"
        "Exit codes: 64 wrong words, 65 no such thing or not taken, 67 no such user, 69 no answer or a check that "
        "failed, 75 no answer in time, 77 not allowed."
    ),
)
app.callback()(before_the_word)
app.add_typer(log_commands.app, name="log")
for _words in (
    list_commands,
    node_commands,
    queue_commands,
    peer_commands,
    account_commands,
    policy_commands,
    parameter_commands,
    definition_commands,
    top_command,
    bench_command,
    doctor_command,
):
    app.add_typer(_words.app)


def main() -> None:
    """Entry point of ``ponymqctl``."""
    app(prog_name="ponymqctl")
