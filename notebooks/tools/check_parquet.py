"""Reads every table of a warehouse with pyarrow, polars and DuckDB, and compares what each of them sees.

Of every column the readers tell how many values it has and a digest of them: of integers the sum of their low 20 bits
(a sum of instants would overflow), of floats the sum, of text its bytes, of lists and maps their elements as well.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys

LOW_BITS = (1 << 20) - 1
KEYS = ("scenario", "apply")


def files(warehouse, table):
    return sorted(str(p) for p in (warehouse / table).glob("scenario=*/apply=*/*.parquet"))


def with_pyarrow(warehouse, table):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    keys = ds.partitioning(pa.schema([(k, pa.string()) for k in KEYS]), flavor="hive")
    data = ds.dataset(files(warehouse, table), partitioning=keys, partition_base_dir=str(warehouse / table)).to_table()

    def digest(column):
        kind = column.type
        column = column.drop_null()
        if pa.types.is_boolean(kind):
            return pc.sum(pc.cast(column, pa.int64())).as_py()
        if pa.types.is_integer(kind):
            return pc.sum(pc.bit_wise_and(pc.cast(column, pa.int64()), LOW_BITS)).as_py()
        if pa.types.is_floating(kind):
            return pc.sum(column).as_py()
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return pc.sum(pc.cast(pc.binary_length(column), pa.int64())).as_py()
        if pa.types.is_map(kind):
            entries = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)
            return [len(entries.keys), digest(entries.keys), digest(entries.items)]
        elements = pc.list_flatten(column)
        return [len(elements), digest(elements)]

    return data.num_rows, {n: [len(c) - c.null_count, digest(c)] for n, c in zip(data.column_names, data.columns)}


def with_polars(warehouse, table):
    import polars as pl

    schema = {k: pl.String for k in KEYS}
    data = pl.scan_parquet(files(warehouse, table), hive_partitioning=True, hive_schema=schema).collect()

    def digest(column):
        kind = column.dtype
        column = column.drop_nulls()
        if len(column) == 0 and not kind.is_nested():
            return None
        if kind == pl.Boolean:
            return int(column.sum())
        if kind.is_integer():
            return int((column.cast(pl.Int64) & LOW_BITS).sum())
        if kind.is_float():
            return float(column.sum())
        if kind == pl.String:
            return int(column.str.len_bytes().sum())
        parts = [column.map.keys(), column.map.values()] if isinstance(kind, pl.Map) else [column]
        # An empty list explodes to a null, which is no element.
        parts = [part.filter(part.list.len() > 0).explode() for part in parts]
        return [len(parts[0]), *map(digest, parts)]

    return data.height, {c.name: [len(c) - c.null_count(), digest(c)] for c in data}


def with_duckdb(warehouse, table):
    import duckdb

    con = duckdb.connect()
    paths = ", ".join("'" + p.replace("'", "''") + "'" for p in files(warehouse, table))
    con.execute(
        f"CREATE VIEW data AS SELECT * FROM read_parquet([{paths}], hive_partitioning = true, union_by_name = true, "
        "hive_types = {scenario: VARCHAR, apply: VARCHAR})"
    )

    def digest(kind, values):
        """Of the column v of the query values, which has no NULL."""
        one = {
            "BOOLEAN": "sum(v::INTEGER)", "TINYINT": f"sum(v::BIGINT & {LOW_BITS})", "SMALLINT": f"sum(v::BIGINT & {LOW_BITS})",
            "INTEGER": f"sum(v::BIGINT & {LOW_BITS})", "BIGINT": f"sum(v & {LOW_BITS})", "DOUBLE": "sum(v)", "VARCHAR": "sum(strlen(v))",
        }
        if kind in one:
            total = con.execute(f"SELECT {one[kind]} FROM ({values})").fetchone()[0]
            return total if total is None or kind == "DOUBLE" else int(total)
        parts = [(kind.removesuffix("[]"), "v")]
        if kind.startswith("MAP("):
            key, value = kind[4:-1].split(", ", 1)
            parts = [(key, "map_keys(v)"), (value, "map_values(v)")]
        found = [con.execute(f"SELECT count(*) FROM (SELECT unnest({parts[0][1]}) AS v FROM ({values}))").fetchone()[0]]
        for kind, elements in parts:
            found.append(digest(kind, f"SELECT v FROM (SELECT unnest({elements}) AS v FROM ({values})) WHERE v IS NOT NULL"))
        return found

    columns = {}
    for name, kind, *_ in con.execute("DESCRIBE data").fetchall():
        values = f'SELECT "{name}" AS v FROM data WHERE "{name}" IS NOT NULL'
        count = con.execute(f'SELECT count("{name}") FROM data').fetchone()[0]
        columns[name] = [count, digest(kind, values)]
    return con.execute("SELECT count(*) FROM data").fetchone()[0], columns


READERS = {"pyarrow": with_pyarrow, "polars": with_polars, "duckdb": with_duckdb}


def look(reader, warehouse):
    """What one reader sees: its version, and of each table the rows and columns."""
    module = __import__(reader)
    tables = sorted(p.name for p in warehouse.iterdir() if p.name not in ("manifests", "spool") and files(warehouse, p.name))
    return {"version": module.__version__, "tables": {t: READERS[reader](warehouse, t) for t in tables}}


def same(a, b):
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b


def compare(first, other, seen):
    """The differences between what two readers saw, a sentence each."""
    a, b = seen[first]["tables"], seen[other]["tables"]
    for table in sorted(a.keys() | b.keys()):
        if table not in a or table not in b:
            yield f"{table}: only one of {first} and {other} sees it"
            continue
        (rows, columns), (other_rows, other_columns) = a[table], b[table]
        if rows != other_rows:
            yield f"{table}: {rows} rows in {first}, {other_rows} in {other}"
        for name in sorted(columns.keys() | other_columns.keys()):
            if not same(columns.get(name), other_columns.get(name)):
                yield f"{table}.{name}: {columns.get(name)} in {first}, {other_columns.get(name)} in {other}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warehouse", type=pathlib.Path)
    parser.add_argument("--duckdb", type=pathlib.Path, help="folder with another version of DuckDB's package")
    parser.add_argument("--reader", choices=sorted(READERS), help="print what this reader sees, as JSON")
    args = parser.parse_args()
    warehouse = args.warehouse.resolve()

    if args.reader:
        json.dump(look(args.reader, warehouse), sys.stdout)
        return 0

    seen = {}
    for reader, path in [*((r, None) for r in READERS), *([("duckdb", args.duckdb)] if args.duckdb else [])]:
        env = os.environ | ({"PYTHONPATH": str(path)} if path else {})
        command = [sys.executable, __file__, str(warehouse), "--reader", reader]
        found = json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
        seen[f"{reader} {found['version']}"] = found
    if not seen or not next(iter(seen.values()))["tables"]:
        print(f"no Parquet files in {warehouse}", file=sys.stderr)
        return 1
    if args.duckdb and len(seen) != len(READERS) + 1:
        print("both DuckDBs are of one version", file=sys.stderr)
        return 1

    first, *others = seen
    differences = [d for other in others for d in compare(first, other, seen)]
    for difference in differences:
        print(difference, file=sys.stderr)
    for table, (rows, columns) in seen[first]["tables"].items():
        print(f"{table}: {rows} rows, {len(columns)} columns")
    print(f"read by {', '.join(seen)}: {len(differences)} differences")
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
