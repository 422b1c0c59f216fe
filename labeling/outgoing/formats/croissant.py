"""Croissant 1.0: metadata in JSON-LD that describe the shards of a dataset (https://docs.mlcommons.org/croissant/)."""

import datetime
import json
import re
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa

from labeling.outgoing.formats.base import Shard

_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS},
}
_TYPES = {
    "string": "sc:Text", "bool": "sc:Boolean", "int64": "cr:Int64", "double": "cr:Float64", "float": "cr:Float32",
    "Image": "sc:ImageObject", "Audio": "sc:AudioObject",
}  # fmt: skip
_TIME = "sc:DateTime"
_UNUSUAL = re.compile(r"[^A-Za-z0-9_.-]")


def metadata(
    title: str,
    description: str,
    version: str,
    date: datetime.date,
    schema: pa.Schema,
    classes: Sequence[str],
    shards: Sequence[Shard],
) -> bytes:
    """Return the metadata of a dataset, its columns, classes and Parquet shards. `version`: MAJOR.MINOR.PATCH."""
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    split = {"fileSet": {"@id": "shards"}, "extract": {"fileProperty": "fullpath"}}
    split["transform"] = {"regex": r".*?([a-z_]+)-\d+\.parquet$"}
    fields = [{"@type": "cr:Field", "@id": "rows/split", "dataType": "sc:Text", "source": split}]
    ids = {"split"}
    for field in schema:
        name = _UNUSUAL.sub("_", field.name)  # ids of fields may hold no blanks
        while name in ids:
            name += "_"
        ids.add(name)
        fields.append(_field(field, f"rows/{name}", features.get(field.name) or {}))
    names = [{"classes/index": index, "classes/name": name} for index, name in enumerate(classes)]
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": title,
        "description": description,
        "version": version,
        "datePublished": date.isoformat(),
        "license": "unknown",  # as on the card
        "citeAs": f"{title}, version {version}, {date.year}, labeled with Marginalia",
        "distribution": [*map(_file, shards), _files()],
        "recordSet": [_records("rows", fields), {**_records("classes", _of_classes()), "data": names}],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _file(shard: Shard) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": shard.name,
        "name": shard.name,
        "contentUrl": shard.name,
        "encodingFormat": "application/x-parquet",
        "sha256": shard.digest,
    }


def _files() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "encodingFormat": "application/x-parquet",
        "includes": "data/*.parquet",
    }


def _records(name: str, fields: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _of_classes() -> list[dict[str, Any]]:
    types = {"index": "cr:Int64", "name": "sc:Text"}
    return [{"@type": "cr:Field", "@id": f"classes/{name}", "dataType": kind} for name, kind in types.items()]


def _field(field: pa.Field, name: str, feature: dict[str, Any]) -> dict[str, Any]:
    """Return a column as a field. `feature`: what `datasets` knows of the column."""
    is_list = pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)
    kind = field.type.value_type if is_list else field.type
    source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": field.name}}
    if pa.types.is_struct(kind):
        source["transform"] = {"jsonPath": "bytes"}
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": field.name,
        "dataType": _TYPES.get(feature.get("_type", "")) or _TYPES.get(str(kind), _TIME),
        "source": source,
        **({"repeated": True} if is_list else {}),
    }
