"""The command `library completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM, VARIABLE = "library", "_LIBRARY_COMPLETE"
"""The program, and click's variable by which the script gets completions from it."""


HELP = """Print the script with which SHELL completes commands and options after a TAB.

\b
bash:
  mkdir -p ~/.local/share/bash-completion/completions
  library completion bash > ~/.local/share/bash-completion/completions/library

\b
bash without the package bash-completion: after both lines above, once
  echo '. ~/.local/share/bash-completion/completions/library' >> ~/.bashrc

\b
zsh:
  library completion zsh > ~/.library-completion
  echo 'source ~/.library-completion' >> ~/.zshrc

\b
fish:
  mkdir -p ~/.config/fish/completions
  library completion fish > ~/.config/fish/completions/library.fish

It takes effect in the next shell. bash has to be 4.4 or newer.
"""


@click.command("completion", help=HELP, short_help="Print the script that lets a shell complete this command.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    completion = get_completion_class(shell)
    assert completion is not None, "click supports each of them"
    click.echo(completion(context.find_root().command, {}, PROGRAM, VARIABLE).source())
