"""The desk on a terminal."""

from __future__ import annotations

import itertools
import queue
import threading

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.styles import Style

from library_cli.desk_screen.actions import ACTIONS, Action
from library_cli.desk_screen.drawing import draw, keys_line
from library_cli.desk_screen.service import Service
from library_cli.desk_screen.session import steps_of
from library_cli.desk_screen.state import Desk

ROWS_BELOW = 2
"""The line to scan into and the line of keys."""

STYLE = Style.from_dict(
    {
        "heading": "reverse",
        "mode": "bold bg:ansiyellow fg:ansiblack",
        "user": "bold",
        "good": "bold bg:ansigreen fg:ansiblack",
        "bad": "bold bg:ansired fg:ansiwhite",
        "warn": "bold bg:ansiyellow fg:ansiblack",
        "plain": "bold reverse",
        "answer": "bold",
        "prompt": "bold",
        "keys": "reverse",
    }
)


class Screen:
    """Draws the desk. Lines wait in a queue, and one thread carries them out, so that no scan is lost during a call."""

    def __init__(self, desk: Desk, service: Service) -> None:
        self._desk, self._service = desk, service
        self._lines: queue.Queue[str] = queue.Queue()
        self._waiting = 0
        self._view = desk.view()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._input = Buffer(multiline=False, accept_handler=self._accept)
        self._app: Application[None] = Application(
            layout=self._layout(),
            key_bindings=self._keys(),
            style=STYLE,
            full_screen=True,
        )

    def run(self) -> None:
        """Show the desk until it is closed."""
        worker = threading.Thread(target=self._work, name="desk", daemon=True)
        self._app.run(pre_run=worker.start)
        if self._failure is not None:
            raise self._failure

    def _accept(self, buffer: Buffer) -> bool:
        self._enter(buffer.text)
        return False  # empties the line

    def _enter(self, line: str) -> None:
        with self._lock:
            self._waiting += 1
        self._lines.put(line)
        self._show()

    def _work(self) -> None:
        """Carry out the lines, one after the other."""
        try:
            while not self._desk.is_closed:
                line = self._lines.get()
                before = self._desk.entries[0] if self._desk.entries else None
                self._service.run(steps_of(self._desk, line))
                with self._lock:
                    self._waiting -= 1
                self._show()
                self._ring(before)
        except BaseException as failure:  # noqa: BLE001 - raised again in `run`, when the terminal is restored
            self._failure = failure
        if self._app.loop is not None:
            self._app.loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._app.is_running:
            self._app.exit()

    def _ring(self, before: object) -> None:
        """Ring if an answer since `before` is a refusal."""
        added = itertools.takewhile(lambda entry: entry is not before, self._desk.entries)
        if self._desk.bell and self._app.loop is not None and any(entry.kind.tone == "bad" for entry in added):
            self._app.loop.call_soon_threadsafe(self._bell)

    def _bell(self) -> None:
        self._app.output.bell()
        self._app.output.flush()

    def _show(self) -> None:
        if threading.current_thread().name == "desk":
            self._view = self._desk.view()
        self._app.invalidate()

    # --- what is drawn ---

    def _layout(self) -> Layout:
        prompt = Window(FormattedTextControl(self._prompt), dont_extend_width=True)
        line = VSplit([prompt, Window(BufferControl(self._input))], height=1)
        return Layout(
            HSplit(
                [
                    Window(FormattedTextControl(self._above), always_hide_cursor=True),
                    line,
                    Window(FormattedTextControl(self._keys_below), height=1, style="class:keys"),
                ]
            ),
            focused_element=self._input,
        )

    def _above(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        lines = draw(self._view, size.columns, size.rows - ROWS_BELOW)
        parts: StyleAndTextTuples = []
        for line in lines:
            parts += [line, ("", "\n")]
        return parts[:-1]

    def _prompt(self) -> StyleAndTextTuples:
        waiting = f"({self._waiting} waiting) " if self._waiting else ""
        question = f"{self._view.question} " if self._view.question else ""
        return [("class:prompt", f"{waiting}{question}> ")]

    def _keys_below(self) -> StyleAndTextTuples:
        return [("", keys_line(self._app.output.get_size().columns))]

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        for name, action in ACTIONS.items():
            if action.key:
                self._bind(keys, name, action)
        keys.add("enter")(lambda event: self._input.validate_and_handle())
        keys.add("c-d")(lambda event: self._enter("/quit"))
        keys.add("c-c")(lambda event: self._end())
        return keys

    def _bind(self, keys: KeyBindings, name: str, action: Action) -> None:
        @keys.add(action.key.lower())
        def pressed(event: KeyPressEvent) -> None:
            if action.typed:
                self._input.text = action.typed
                self._input.cursor_position = len(action.typed)
            else:
                self._enter(f"/{name}")
