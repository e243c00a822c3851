"""The command ``alexnet-train``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from alexnet_export.errors import ExportError
from alexnet_repository.errors import RepositoryError
from alexnet_training.errors import Interrupted, RecipeError, TrainingError
from alexnet_training.interrupt import deferred_interrupts
from alexnet_training.memory import keep_memory
from alexnet_training.recipe import Recipe, add_recipe_flags, recipe_from_flags

_EPILOG = """\
examples:
  alexnet-train digits data/digits
  alexnet-train fit data/digits --out runs/starter --preset starter
  alexnet-train fit photos --out runs/photos --epochs 60 --batch-size 128
  alexnet-train fit photos --out runs/more --from runs/photos
  alexnet-train evaluate runs/starter data/digits --views 10
  alexnet-train parity runs/starter --repository model_repository --triton localhost:8001
  alexnet-train codes exported --out codes.onnx --bits 512

The same fit command again resumes an interrupted run.  Results go to stdout, messages to stderr.

exit codes:
  0    done (also where the run was complete already)
  1    an error, told in one line
  2    wrong usage
  130  stopped by Ctrl-C; the last whole checkpoint is kept
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    keep_memory()
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except RecipeError as error:
        print(f"alexnet-train: {error}", file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(f"alexnet-train: {stopped}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("alexnet-train: interrupted", file=sys.stderr)
        return 130
    except (TrainingError, ExportError, RepositoryError, OSError) as error:
        print(f"alexnet-train: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alexnet-train",
        description="Train AlexNet on folders of photos.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_fit, _add_evaluate, _add_parity, _add_codes, _add_digits):
        add(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], None],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "fit", _fit, "photos in folders -> a checkpoint")
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="DATA/train/<class>/* and DATA/validation/<class>/*, or DATA/<class>/*, of which one "
        "in five is kept for validation",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="CHECKPOINT",
        help="start from these weights, with their mean image and scale; the classifier is new "
        "where the classes differ",
    )
    parser.add_argument("--about", metavar="TEXT", help="one sentence on what the model knows")
    _add_common(parser)
    add_recipe_flags(parser)


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "evaluate", _evaluate, "a checkpoint's top-1 and top-5 on photos")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a run or its weights")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="DATA/validation/<class>/*, or DATA/<class>/*"
    )
    parser.add_argument(
        "--views", type=int, choices=(1, 10), default=1, help="centre, or the ten of section 4.1"
    )
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="fp32", help=" ")
    _add_common(parser)


def _add_parity(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "parity", _parity, "PyTorch, ONNX Runtime and Triton on the same pictures"
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a run or its weights")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repository"),
        metavar="FOLDER",
        help="where it is deployed; its manifest keeps the table",
    )
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="photos to compare on")
    parser.add_argument("--triton", metavar="HOST:PORT", help="a Triton that serves the repository")


def _add_codes(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "codes", _codes, "stored features -> the graph of a short code")
    parser.add_argument(
        "features",
        type=Path,
        metavar="FEATURES",
        help="what `alexnet-server index export` wrote, or a .npy file: float32 [pictures, units]",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ONNX graph")
    parser.add_argument(
        "--bits", type=int, choices=(256, 512, 1024), default=256, help="of a picture's code (256)"
    )
    parser.add_argument(
        "--method",
        choices=("autoencoder", "itq"),
        default="autoencoder",
        help="section 6.1's autoencoder, or turned principal components (autoencoder)",
    )
    parser.add_argument(
        "--metric", choices=("l2", "cosine"), help="what is near (default: as in the index, l2)"
    )
    parser.add_argument("--epochs", type=int, default=40, help="of the autoencoder (40)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0 (default: auto)")


def _add_digits(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "digits", _digits, "write scikit-learn's 1,797 digits as photos")
    parser.add_argument("out", type=Path, metavar="OUT", help="nothing is done where it exists")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0 (default: auto)")
    parser.add_argument("--strict", action="store_true", help="refuse unreadable photos")


# The imports inside the commands keep torch's two seconds out of --help and usage errors.


def _fit(options: argparse.Namespace) -> None:
    recipe: Recipe = recipe_from_flags(options)
    with deferred_interrupts(
        f"stopped; {options.out} keeps the last whole epoch: the same command again goes on from it"
    ) as between:
        from alexnet_training.device import choose_device  # noqa: PLC0415
        from alexnet_training.fit import Order, fit  # noqa: PLC0415

        order = Order(
            data=options.data,
            out=options.out,
            recipe=recipe,
            device=choose_device(options.device),
            start=options.start,
            about=options.about,
            strict=options.strict,
        )
        metrics = fit(order, between)
    found = {name: metrics[name] for name in ("top1", "top5", "n", "digest")}
    print(json.dumps({"checkpoint": str(options.out), **found}))


def _evaluate(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped") as between:
        from alexnet_export.checkpoint import load_checkpoint  # noqa: PLC0415
        from alexnet_training.device import choose_device, choose_precision  # noqa: PLC0415
        from alexnet_training.evaluation import evaluate  # noqa: PLC0415

        checkpoint, _ = load_checkpoint(options.checkpoint)
        device = choose_device(options.device)
        accuracy, skipped = evaluate(
            checkpoint,
            options.data,
            device,
            choose_precision(options.precision, device),
            view_count=options.views,
            strict=options.strict,
            between=between,
        )
    print(json.dumps({**asdict(accuracy), "views": options.views, "skipped": len(skipped)}))


def _parity(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped; nothing was noted") as between:
        from alexnet_export.parity_table import markdown  # noqa: PLC0415
        from alexnet_training.parity import measure  # noqa: PLC0415

        table = measure(
            options.checkpoint, options.repository, options.pictures, options.triton, between
        )
    print(markdown(table))


def _codes(options: argparse.Namespace) -> None:
    if options.epochs < 1:
        raise RecipeError(f"--epochs is {options.epochs}; it must be 1 or more")
    with deferred_interrupts("stopped; nothing was written") as between:
        from alexnet_training.codes import Order, make_codes  # noqa: PLC0415
        from alexnet_training.device import choose_device  # noqa: PLC0415

        order = Order(
            features=options.features,
            out=options.out,
            bits=options.bits,
            method=options.method,
            metric=options.metric,
            epochs=options.epochs,
            seed=options.seed,
        )
        made = make_codes(order, choose_device(options.device), between)
    print(json.dumps({"codes": str(options.out), **made}))


def _digits(options: argparse.Namespace) -> None:
    with deferred_interrupts("stopped; nothing was written") as between:
        from alexnet_training.digits import write_digits  # noqa: PLC0415

        if not write_digits(options.out, between):
            print(f"{options.out} is there already: nothing to do", file=sys.stderr)
    print(options.out)


if __name__ == "__main__":
    sys.exit(main())
