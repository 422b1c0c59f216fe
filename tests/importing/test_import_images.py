"""Test the import of folders and zip files of images."""

import os
import stat
import struct
import tracemalloc
import zipfile
from dataclasses import replace

import pytest
from import_files import checked, picture, read, rules, split, write, write_folder, write_zip

from labeling.intake.readers import Limits, UnreadableFile, open_source

FILES = {
    "cat/a.png": picture(),
    "cat/deep/b.jpg": picture("JPEG"),
    "cat.png": picture(),
    "dog/c.GIF": picture("GIF"),
    "dog/readme.txt": b"hello",
    "dog/.hidden.png": picture(),
    ".git/d.png": picture(),
    "__MACOSX/cat/a.png": b"junk",
    "great auk/noend": picture("WEBP"),
    "more.zip": b"PK",
    "rows.csv": b"a,b\n",
    "vector.svg": b"<svg/>",
}
ORDER = ["cat/a.png", "cat/deep/b.jpg", "cat.png", "dog/c.GIF", "dog/readme.txt", "great auk/noend"]
ORDER += ["more.zip", "rows.csv", "vector.svg"]


@pytest.fixture(params=["folder", "zip"])
def pack(request, tmp_path):
    """Return a function that writes the same files as a folder or a zip file."""
    if request.param == "folder":
        return lambda files: write_folder(tmp_path / "pics", files)
    return lambda files: write_zip(tmp_path / "pics.zip", files)


def test_images_come_sorted_the_nearest_folder_called_like_a_class_is_the_truth_and_all_else_is_set_aside(pack):
    path = pack(FILES)
    with open_source(path, kind="image") as source:
        assert source.total == len(ORDER)
        assert [record.where for record in source.records()] == ORDER
    good, bad = split(checked(path, rules("image")))
    assert [draft.external_id.split("-")[0] for draft in good] == ["a", "b", "cat.png", "c", "noend"]
    assert [draft.suffix for draft in good] == [".png", ".jpg", ".png", ".gif", ".webp"]
    assert good[0].file == FILES["cat/a.png"]
    assert [row.where for row in bad] == [ORDER[4], *ORDER[6:]]
    assert "import it by itself" in bad[1].reason
    assert [draft.truth for draft in good] == ["cat", "cat", None, "dog", "great auk"]
    # Nothing that an annotator sees gives the truth away.
    assert all(draft.data == {} for draft in good)
    assert not any(draft.truth in draft.external_id for draft in good if draft.truth)


def test_images_of_the_same_name_in_two_class_folders_get_two_ids_that_stay(pack):
    path = pack({"cat/1.png": picture(), "dog/1.png": picture()})
    ids = [draft.external_id for draft in checked(path, rules("image"))]
    assert len(set(ids)) == 2
    assert ids == [draft.external_id for draft in checked(path, rules("image"))]


def test_a_folder_names_classes_in_decomposed_spelling_and_the_class_to_be_verified(pack):
    given = replace(rules("image", "multi"), classes=("caf\u00e9",))
    assert checked(pack({"cafe\u0301/a.png": picture()}), given)[0].truth == ["caf\u00e9"]
    good, bad = split(checked(pack({"cat/a.png": picture(), "b.png": picture()}), rules("image", "verify")))
    assert [(draft.proposed, draft.truth) for draft in good] == [("cat", None)]
    assert "b.png" in [row.where for row in bad]


@pytest.mark.parametrize(
    "table",
    [
        ("metadata.csv", "file_name,truth,caption\ncat/b.png,dog,hello\na.png,,bye\nnone.png,cat,x\n../a.png,cat,x\n"),
        (
            "metadata.jsonl",
            '{"file_name": "cat/b.png", "truth": "dog", "caption": "hello"}\n{"file_name": "a.png", "caption": "bye"}\n'
            '{"file_name": "none.png"}\n{"file_name": "../a.png"}\n',
        ),
    ],
)
def test_a_metadata_file_describes_the_images(pack, table):
    path = pack({table[0]: table[1], "a.png": picture(), "cat/b.png": picture(), "extra.png": picture(), "x.txt": ""})
    good, bad = split(checked(path, rules("image")))
    assert [(draft.external_id, draft.truth, draft.data) for draft in good] == [
        ("cat/b.png", "dog", {"caption": "hello"}),
        ("a.png", None, {"caption": "bye"}),
    ]
    assert "is missing" in bad[0].reason
    assert "path outside of" in bad[1].reason
    assert [(row.where, row.reason[:30]) for row in bad[2:]] == [
        ("extra.png", "The image is not named in meta"),
        ("x.txt", "The file is no PNG, JPEG, GIF,"),
    ]


def test_metadata_files_speak_for_their_own_folder_and_bad_rows_say_where_they_are(pack):
    files = {"train/metadata.jsonl": '{"file_name": "a.png"}\n{bad\n{"file_name": 7}\n{}\n', "train/a.png": picture()}
    files |= {"test/metadata.csv": "id,file_name\ntest,./a.png\n", "test/a.png": picture()}
    good, bad = split(checked(pack(files), rules("image")))
    assert [draft.external_id for draft in good] == ["test", "train/a.png"]
    assert [row.where for row in bad] == [f"train/metadata.jsonl, line {line}" for line in (2, 3, 4)]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"metadata.csv": "name,truth\na.png,cat\n", "a.png": b""}, 'metadata.csv: no column is called "file_name"'),
        ({"metadata.csv": "", "a.png": b""}, "metadata.csv: the file is empty"),
        ({"metadata.csv": "file_name\n", "metadata.jsonl": "{}", "a.png": b""}, "both a metadata.jsonl and"),
        ({".hidden": b""}, "there are no images in it"),
    ],
)
def test_a_collection_that_is_of_no_use_is_refused(pack, files, complaint):
    with pytest.raises(UnreadableFile, match=complaint):
        read(pack(files), "image")


def test_long_paths_are_shortened_to_ids_that_differ(pack):
    long = "/".join(["d" * 60] * 5)
    good, _ = split(checked(pack({f"{long}/a.png": picture(), f"x{long}/a.png": picture()}), rules("image")))
    assert len({draft.external_id for draft in good}) == 2
    assert all(len(draft.external_id) <= 200 for draft in good)


# Folders


def test_links_pipes_and_odd_names_in_a_folder_do_no_harm(tmp_path):
    write(tmp_path / "secret/a.png", picture())
    root = write_folder(tmp_path / "pics", {"a.png": picture(), "d/b.png": picture()})
    (root / "out.png").symlink_to(tmp_path / "secret/a.png")
    (root / "within.png").symlink_to(root / "d/b.png")
    (root / "broken.png").symlink_to(root / "gone.png")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.png")
    write(root / "line\nbreak.png", picture())
    (root / os.fsdecode(b"latin-\xe9.png")).write_bytes(picture())
    good, bad = split(checked(root, rules("image")))
    assert [draft.external_id for draft in good] == ["a.png", "d/b.png", "within.png"]
    assert len(bad) == 6
    for row in bad:
        row.where.encode()
        assert row.where.isprintable()


def test_a_metadata_file_that_links_out_of_the_folder_is_refused(tmp_path):
    write(tmp_path / "secret.csv", "file_name\na.png\n")
    root = write_folder(tmp_path / "pics", {"a.png": picture()})
    (root / "metadata.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(UnreadableFile, match=r"metadata\.csv in it cannot be read"):
        read(root, "image")


# Zip files


def test_paths_cannot_escape_from_a_zip_file(tmp_path):
    names = ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png", "\\\\host\\evil.png"]
    path = write_zip(tmp_path / "in/a.zip", dict.fromkeys([*names, "fine.png"], picture()))
    good, bad = split(checked(path, rules("image")))
    assert [draft.external_id for draft in good] == ["fine.png"]
    assert ["leads out of the zip file" in row.reason for row in bad] == [True] * len(names)
    assert [p.name for p in path.parent.iterdir()] == ["a.zip"]
    assert not list(tmp_path.rglob("evil.png"))


def test_links_and_repeated_names_in_a_zip_file_are_set_aside(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", picture())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.png", picture())
        archive.writestr(link, "/etc/passwd")
    good, bad = split(checked(path, rules("image")))
    assert [draft.external_id for draft in good] == ["a.png"]
    assert [row.reason[:25] for row in bad] == ["The file is twice in the ", "The file is a link: put t"]


@pytest.mark.parametrize(
    ("content", "limits", "complaint"),
    [
        (bytes(15 * 2**20), Limits(), "would unpack to more than 200 times its size"),
        (b"", Limits(zip_directory=200), "lists too many files"),
    ],
)
def test_a_zip_file_that_declares_too_much_is_refused(tmp_path, content, limits, complaint):
    with pytest.raises(UnreadableFile, match=complaint):
        read(write_zip(tmp_path / "a.zip", {f"{n}.png": content for n in range(5)}), "image", limits=limits)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("bomb.png", bytes(15 * 2**20), "would unpack to 15 MiB"),
        ("inner.zip", b"PK\x03\x04", "is a zip file, which is not opened here"),
    ],
)
def test_a_bomb_and_a_zip_file_among_images_are_set_aside(tmp_path, name, content, complaint):
    good, [bad] = split(checked(write_zip(tmp_path / "a.zip", {name: content, "z.png": picture()}), rules("image")))
    assert [draft.external_id for draft in good] == ["z.png"]
    assert complaint in bad.reason


def test_an_image_that_is_too_large_is_set_aside(pack):
    path = pack({"big.png": os.urandom(3000), "fine.png": picture(size=(2, 2))})
    good, bad = split(checked(path, rules("image"), limits=Limits(file=2000)))
    assert [draft.external_id for draft in good] == ["fine.png"]
    assert bad[0].reason == "The image is larger than 2,000 bytes: make it smaller."


def test_a_zip_file_that_declares_less_than_it_holds_cannot_fill_the_memory(tmp_path):
    content = write_zip(tmp_path / "a.zip", {"bomb.png": bytes(60 * 2**20)}).read_bytes()
    declared, small = struct.pack("<L", 60 * 2**20), struct.pack("<L", 1000)
    assert content.count(declared) == 2
    path = write(tmp_path / "a.zip", content.replace(declared, small))
    tracemalloc.start()
    try:
        _, bad = split(checked(path, rules("image")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert bad[0].reason == "The image cannot be unpacked, the zip file is damaged there."
    assert peak < 2 * 2**20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_methods_without_a_bound_on_memory_are_not_unpacked(tmp_path, method):
    path = write_zip(tmp_path / "a.zip", {"a.png": picture()}, method=method)
    _, bad = split(checked(path, rules("image")))
    assert "packed in an unusual way" in bad[0].reason


def test_a_zip_file_that_is_locked_or_cut_short_is_refused(tmp_path):
    content = write_zip(tmp_path / "a.zip", {"a.png": picture()}).read_bytes()
    for keep in (0, 10, 100, -30, -5):
        with pytest.raises(UnreadableFile):
            read(write(tmp_path / "a.zip", content[:keep]), "image")
    locked = bytearray(content)
    locked[content.index(b"PK\x01\x02") + 8] |= 1
    locked[content.index(b"PK\x03\x04") + 6] |= 1
    with pytest.raises(UnreadableFile, match="locked with a password"):
        read(write(tmp_path / "a.zip", bytes(locked)), "image")


def test_damage_within_a_zip_file_costs_its_image_only_and_is_reported_for_a_metadata_file(tmp_path):
    noise = os.urandom(2000)
    path = write_zip(tmp_path / "a.zip", {"a.png": noise, "b.png": picture()}, method=zipfile.ZIP_STORED)
    write(path, path.read_bytes().replace(noise[500:600], bytes(100)))
    good, bad = split(checked(path, rules("image")))
    assert [draft.external_id for draft in good] == ["b.png"]
    assert "damaged there" in bad[0].reason
    table = "file_name,x\n" + "".join(f"{n}.png,{os.urandom(8).hex()}\n" for n in range(40_000))
    content = bytearray(write_zip(path, {"metadata.csv": table, "a.png": picture()}).read_bytes())
    content[300_000:300_050] = b"\xff" * 50
    with pytest.raises(UnreadableFile, match=r"metadata\.csv in it cannot be read"):
        read(write(path, bytes(content)), "image")
