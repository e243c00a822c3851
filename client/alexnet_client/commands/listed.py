"""All commands of ``alexnet``, in the order in which its help shows them."""

from __future__ import annotations

from alexnet_client.commands import completion, index, pictures
from alexnet_client.commands import options as take
from alexnet_client.commands.declaration import Command, option
from alexnet_client.evaluation import command as evaluation_command
from alexnet_client.scoring import command as score_command
from alexnet_client.scoring import options as score_options

COMMANDS: tuple[Command, ...] = (
    Command(
        "classify",
        "say what is in pictures",
        "alexnet classify cat.jpg dog.png --top-k 3",
        pictures.classify,
        (
            take.PICTURES,
            option("--top-k", type=take.positive, default=5, help="labels a picture (default: 5)"),
            take.VIEWS,
        ),
    ),
    Command(
        "features",
        "turn pictures into the 4096 numbers of the last hidden layer",
        "alexnet features photos/ --out features.npy",
        pictures.features,
        (
            take.PICTURES,
            option(
                "--out",
                type=take.writable,
                completes="file",
                metavar="FILE.npy",
                help="write float32 [pictures, 4096] here",
            ),
            take.VIEWS,
        ),
    ),
    Command(
        "search",
        "find stored pictures like these",
        "alexnet search cat.jpg --k 5 --label cat",
        pictures.search,
        (take.PICTURES, take.add_search, take.add_filters, take.INDEX_VIEWS),
        take.filters_conflict,
    ),
    Command(
        "add",
        "put pictures, or folders of them, into the index",
        "alexnet add photos/",
        pictures.add,
        (
            take.PICTURES,
            option(
                "--label",
                type=take.encodable,
                help="for all (default: the name of the class folder a picture lies in)",
            ),
        ),
    ),
    Command(
        "similar",
        "find stored pictures like a stored one",
        "alexnet similar ID --k 5",
        index.similar,
        (take.ID, take.add_search, take.add_filters),
        take.filters_conflict,
    ),
    Command(
        "list",
        "show what is stored",
        "alexnet list --label shoe --where 'price>=10'",
        index.list_pictures,
        (
            option("--count", action="store_true", help="say only how many there are"),
            take.add_filters,
        ),
        take.filters_conflict,
    ),
    Command(
        "delete",
        "delete stored pictures by id, by label or by their metadata",
        "alexnet delete --label shoe --where 'price<5'",
        index.delete,
        (
            option(
                "ids",
                nargs="*",
                type=take.picture_id,
                metavar="ID",
                help="the pictures' ids; no filters then",
            ),
            take.add_filters,
        ),
        take.delete_conflict,
    ),
    Command(
        "thumbnail",
        "fetch the small copy of a stored picture",
        "alexnet thumbnail ID --out a.jpg",
        index.thumbnail,
        (
            take.ID,
            option(
                "--out",
                type=take.writable,
                completes="file",
                metavar="FILE.jpg",
                required=True,
                help="write it here",
            ),
        ),
    ),
    Command(
        "duplicates",
        "find stored pictures that are nearly the same, and say which to keep",
        "alexnet duplicates --max-distance 4 --out groups.html",
        index.duplicates,
        (
            option(
                "--max-distance",
                type=take.distance,
                required=True,
                metavar="NUMBER",
                help="how far apart two pictures of one group may be; it depends on the model: "
                "with the metric l2 a sixth of the mean length of its features (4 where that is "
                "23), with cosine 0.012, find nearly all that was only compressed again or scaled",
            ),
            option(
                "--out",
                type=take.writable,
                completes="file",
                metavar="FILE.html",
                help="write a page of the groups with their pictures here",
            ),
            option(
                "--delete",
                action="store_true",
                help="delete all of each group but the one to keep",
            ),
        ),
    ),
    Command(
        "score",
        "score very many pictures into one file, or go on with it",
        "alexnet score photos/ --out results.jsonl",
        score_command.score,
        score_options.OPTIONS,
        score_options.conflict,
    ),
    Command(
        "evaluate",
        "say how often the model is right about a labelled folder, FOLDER/<class>/*.jpg",
        "alexnet evaluate photos/ --out report.html",
        evaluation_command.evaluate,
        (
            option(
                "folder",
                type=take.folder,
                completes="directory",
                metavar="FOLDER",
                help="holds a folder for each class, or such a folder named validation",
            ),
            option(
                "--out",
                type=take.writable,
                completes="file",
                metavar="FILE.html",
                help="write a page of it here",
            ),
            option(
                "--shown",
                type=take.positive,
                default=evaluation_command.SHOWN,
                metavar="PICTURES",
                help="how many wrong ones the page shows, at most (default: %(default)s)",
            ),
            option(
                "--k",
                type=take.positive,
                action="append",
                metavar="K",
                help="find the K nearest pictures by their features; may be given several times "
                "(default: 1, 5 and 10)",
            ),
            option("--retrieval-only", action="store_true", help="ask for no labels"),
            option("--no-retrieval", action="store_true", help="ask for no features"),
            take.VIEWS,
        ),
        evaluation_command.conflict,
    ),
    Command(
        "model",
        "show the model that is served",
        "alexnet model --json",
        pictures.model,
    ),
    Command(
        "completion",
        "print a script that completes this command in a shell",
        "alexnet completion bash > ~/.local/share/bash-completion/completions/alexnet",
        completion.completion,
        (option("shell", choices=completion.SHELLS, help="the shell"),),
    ),
)
