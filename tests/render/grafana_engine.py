"""Runs in an environment that has ``chdb``: a table, rows, and what queries answer, as JSON."""

import json
import sys
import tempfile
from pathlib import Path

from chdb.session import Session


def main() -> None:
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        session = Session(f"{folder}/data")
        session.query(asked["ddl"])
        rows = Path(folder) / "rows.json"
        rows.write_text("\n".join(map(json.dumps, asked["rows"])))
        columns = ", ".join(asked["rows"][0])
        structure = asked["structure"].replace("'", "\\'")
        source = f"file('{rows}', JSONEachRow, '{structure}')"
        session.query(f"INSERT INTO default.{asked['table']} ({columns}) SELECT * FROM {source}")
        answers = {}
        for title, sql in asked["queries"].items():
            form = "JSONCompactStrings"
            answer = json.loads(str(session.query(sql, form)))
            names = [column["name"] for column in answer["meta"]]
            answers[title] = [dict(zip(names, row, strict=True)) for row in answer["data"]]
        session.close()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
