"""What became of an import, in words."""

from __future__ import annotations

from google.longrunning.operations_pb2 import Operation

from library.admin.v1.import_service_pb2 import ImportProblem, ImportProgress, ImportState, ImportSummary
from library_cli.imports.calls import id_of, progress_of
from library_cli.plain_text import one_line


def state_of(progress: ImportProgress) -> str:
    """Return the state as a word, such as `running`."""
    return ImportState.Name(progress.state).removeprefix("IMPORT_STATE_").lower()


def counts_in_words(summary: ImportSummary, *, validate_only: bool = False) -> str:
    """Return what was done with the records so far."""
    parts = [("would add" if validate_only else "added", summary.added_count)]
    parts += [("updated", summary.updated_count)] * bool(summary.updated_count)
    parts += [("copies added to", summary.copies_added_count)] * bool(summary.copies_added_count)
    parts += [("items", summary.item_count)] * bool(summary.item_count)
    parts += [("already there", summary.already_there_count), ("refused", summary.refused_count)]
    return ", ".join(f"{name} {count:,}" for name, count in parts)


def problem_in_words(problem: ImportProblem) -> str:
    """Return a problem as one line."""
    number = f" ({problem.control_number})" if problem.control_number else ""
    field = f"{problem.field}: " if problem.field else ""
    text = f"{problem.description.rstrip('.')}; the record is imported" if problem.imported else problem.description
    return one_line(f"record {problem.record}{number}: {field}{text}")


def outcome_in_words(operation: Operation) -> str:
    """Return how an import ended, and how it can be undone."""
    progress = progress_of(operation)
    words = counts_in_words(progress.summary, validate_only=progress.validate_only)
    lines = [words[:1].upper() + words[1:]]
    if operation.HasField("error"):
        lines.insert(0, one_line(operation.error.message))
    return "\n".join(lines)


def undo_in_words(operation: Operation) -> str:
    """Return the command that undoes an import; empty if it changed nothing."""
    progress = progress_of(operation)
    summary = progress.summary
    changed = summary.added_count + summary.updated_count + summary.copies_added_count
    if progress.validate_only or not changed or progress.HasField("undo_time"):
        return ""
    return f"To undo this import: library imports undo {id_of(operation)}"
