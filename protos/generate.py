"""Generate the Python stubs and the commented descriptor set in `generated/` from the contract in `protos/`.

    python protos/generate.py            write generated/, and what library-client/ has of the contract
    python protos/generate.py --check    write nothing; fail where these are not what the protos give
    python protos/generate.py --image F  write the contract, with all that it imports, as one image for buf

Everything runs from installed wheels: protoc from grpcio-tools, the google protos from googleapis-common-protos, and
buf/validate/validate.proto from the descriptor inside protovalidate, whose wheel has no .proto.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.resources
import shutil
import sys
import tempfile
from pathlib import Path

import google.api
import grpc_tools
from generate_client import generate_client
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

PROTOS = Path(__file__).resolve().parent
ROOT = PROTOS.parent
GENERATED = (ROOT / "generated", ROOT / "library-client" / "stubs")
"""The folders where everything is generated. There are also some generated files among others."""
VALIDATE = "buf/validate/validate.proto"
BUILT_IN = ("descriptor", "duration", "field_mask", "timestamp", "any", "empty", "wrappers", "struct")


def main() -> int:
    """Run the command line; the exit status is 1 where --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--image", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        imports = write_imports(Path(scratch) / "imports.binpb")
        if arguments.image:
            write_image(arguments.image, imports)
            return 0
        fresh = Path(scratch) / "fresh"
        generate(fresh / "generated", imports)
        image = Path(scratch) / "image.binpb"
        write_image(image, imports)
        generate_client(image, fresh / "library-client", lambda options: call(["protoc", *plugins(), *options]))
        if arguments.check:
            return report(differences(fresh))
        for folder in GENERATED:
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(fresh, ROOT, dirs_exist_ok=True)
    return 0


def write_image(path: Path, imports: Path) -> None:
    """Write the contract with all that it imports, and with its comments."""
    run_protoc(imports, [f"--descriptor_set_out={path}", "--include_imports", "--include_source_info"])


def write_imports(path: Path) -> Path:
    """Write the descriptors of all that the contract imports from outside, so that protoc resolves them."""
    well_known = importlib.resources.files(grpc_tools) / "_proto"
    common = Path(google.api.__path__[0]).parents[1]
    own = path.with_suffix(".google.binpb")
    names = [f"google/protobuf/{name}.proto" for name in BUILT_IN]
    common_names = ("api/annotations", "api/field_behavior", "api/visibility", "type/money")
    names += [f"google/{name}.proto" for name in common_names]
    call(["protoc", f"-I{well_known}", f"-I{common}", f"--descriptor_set_out={own}", "--include_imports", *names])
    files = descriptor_pb2.FileDescriptorSet.FromString(own.read_bytes())
    files.file.add().MergeFromString(validate_pb._DESC.proto.to_binary())
    path.write_bytes(files.SerializeToString())
    return path


def generate(target: Path, imports: Path) -> None:
    """Generate everything into `target`."""
    target.mkdir(parents=True)
    stubs = [f"--python_out={target}", f"--mypy_out=quiet:{target}"]
    services = [f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}"]
    run_protoc(imports, [*stubs, *services])
    run_protoc(imports, stubs, [VALIDATE])
    for package in ("library", "buf"):
        (target / package / "py.typed").touch()
    # Python's own descriptors drop comments; reflection serves these instead, so `describe` is the manual.
    contract = target / "library" / "contract.binpb"
    run_protoc(imports, [f"--descriptor_set_out={contract}", "--include_source_info"])


def run_protoc(imports: Path, options: list[str], files: list[str] | None = None) -> None:
    """Run protoc over `files`, by default the whole contract."""
    contract = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    call(["protoc", *plugins(), f"--descriptor_set_in={imports}", f"-I{PROTOS}", *options, *(files or contract)])


def plugins() -> list[str]:
    """The plugins of this interpreter's environment, which need not be on the PATH."""
    return [f"--plugin={path}" for path in Path(sys.executable).parent.glob("protoc-gen-mypy*")]


def call(arguments: list[str]) -> None:
    """Call protoc and stop at its first error."""
    if protoc.main(arguments):
        sys.exit(f"protoc failed: {' '.join(arguments)}")


def differences(fresh: Path) -> list[str]:
    """Name the generated files of the tree that are missing, too many, or not those in `fresh`."""

    def names(folder: Path, root: Path) -> set[str]:
        found = (path.relative_to(root) for path in folder.rglob("*") if path.is_file())
        return {str(path) for path in found if "__pycache__" not in path.parts}

    ours = names(fresh, fresh)
    theirs = {name for folder in GENERATED for name in names(folder, ROOT)}
    _, changed, broken = filecmp.cmpfiles(fresh, ROOT, sorted(ours), shallow=False)
    return sorted((theirs - ours) | set(changed) | set(broken))


def report(different: list[str]) -> int:
    """Print what differs, and what to do about it."""
    for name in different:
        print(f"{name} is not what protos/ gives", file=sys.stderr)
    if different:
        print("run `make generate` and commit what it writes", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
