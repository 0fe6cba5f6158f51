"""What the Tab key finds: the protocol that the shells' scripts speak, and the scripts in the shells that are here."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "plugins" / "lamcore-author" / "lamcore_author" / "scripts"
HOME = "experiment=translation/home_assistant"
HANG = 60
"""Seconds after which a shell hangs."""


@pytest.fixture
def tab(lam, monkeypatch):
    """Give tab(line): the words that may stand at the end of a line."""

    def press(line: str) -> list[str]:
        monkeypatch.setenv("_LAM_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line + ("''" if line.endswith(" ") else ""))
        monkeypatch.setenv("COMP_CWORD", "-1")
        ended = lam("completion", "bash")
        assert (ended.code, ended.err) == (0, "")
        return [one.removeprefix("plain,") for one in ended.out.split("\n")[:-1]]

    return press


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("lam tr", ["train"]),
        ("lam comp", ["completion"]),
        ("lam train sou", ["source="]),
        ("lam train source=pa", ["source=parallel_text", "source=parquet", "source=part"]),
        ("lam config source=pa", ["source=parallel_text", "source=parquet", "source=part"]),
        ("lam train source=tsv sou", ["source."]),
        ("lam train source=tsv source.tr", ["source.train="]),
        ("lam train experiment=translation/h", [HOME]),
        ("lam train trainer.l", ["trainer.lr=", "trainer.lora=", "trainer.log_every="]),
        ("lam train +trainer.st", ["+trainer.steps="]),
        ("lam train trainer.schedule=c", ["trainer.schedule=cosine", "trainer.schedule=constant"]),
        ("lam train architecture.tie=", ["architecture.tie=true", "architecture.tie=false"]),
        ("lam train metrics=[bl", ["metrics=[bleu"]),
        ("lam train metrics=[bleu", ["metrics=[bleu,", "metrics=[bleu]"]),
        (
            "lam train metrics=[bleu,ca",
            [
                "metrics=[bleu,calibration_error",
                "metrics=[bleu,call_match",
            ],
        ),
        ("lam train metrics=bl", ["metrics=bleu"]),
        ("lam train augmenters=[typos,drop_words] augmenters.", ["augmenters.typos.", "augmenters.drop_words."]),
        ("lam train augmenters=[typos] augmenters.typos.k", ["augmenters.typos.keyboard="]),
        (f"lam train {HOME} preprocessors.n", ["preprocessors.normalise."]),
        (f"lam train {HOME} source.target", ["source.target_lang="]),
        ("lam train decoding.be", ["decoding.beam="]),
        ("lam train decoding=", ["decoding=beam", "decoding=greedy", "decoding=sampling"]),
        ("lam train tokenizer.kind=b", ["tokenizer.kind=bpe", "tokenizer.kind=byte_bpe"]),
        ("lam train monitor=", ["monitor=loss", "monitor=bleu", "monitor=chrf"]),
        ("lam train device=c", ["device=cpu", "device=cuda"]),
        ("lam train hydra.run.d", ["hydra.run.dir="]),
        ("lam train no_such.setting=", []),
        ("lam train source=no_such source.", []),
        ("lam train --no", ["--no-plugin"]),
        ("lam list metric b", ["bleu"]),
        ("lam check lamcore-hom", ["lamcore-home-assistant"]),
        ("lam new plugin mine --kind a", ["augmenter", "architecture"]),
        ("lam completion z", ["zsh"]),
    ],
)
def test_a_word_is_completed(tab, line, found):
    assert [one for one in tab(line) if one != "hydra.run.dir=" or "hydra" in line] == found


def test_where_a_file_is_wanted_the_shell_is_told_so(tab):
    assert tab("lam train source=tsv source.train=pa") == ["file,source.train=pa"]
    assert tab("lam resume ru") == ["file,ru"]


def test_parts_of_a_strangers_plugin_are_completed(tab, toy):
    assert tab("lam train source=backw") == ["source=backwards"]
    assert tab("lam train source=backwards source.held") == ["source.held_out="]


def test_the_users_own_experiments_and_their_choices_are_completed(tab):
    folder = Path("conf/experiment")
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("defaults:\n  - override /source: tsv\n")
    (folder / "broken.yaml").write_text("defaults: [\n")
    assert tab("lam train experiment=m") == ["experiment=mine"]
    assert tab("lam train experiment=mine source.delim") == []
    assert tab("lam train experiment=mine source.tr") == ["source.train="]
    assert tab("lam train experiment=broken trainer.st") == ["trainer.steps="]


def test_the_tab_key_runs_nothing_that_lies_in_the_folder(tab):
    Path("lamfile.py").write_text("open('ran', 'w').close()\n")
    assert tab("lam train sou") == ["source="]
    assert not Path("ran").exists()


def test_click_s_own_numbering_of_words_works_too(run_lam, tmp_path):
    asked = {"_LAM_COMPLETE": "bash_complete", "COMP_WORDS": "lam train source=para", "COMP_CWORD": "2"}
    assert run_lam("completion", "bash", cwd=tmp_path, warm="", **asked).out == "plain,source=parallel_text\n"


def test_an_answer_imports_neither_hydra_nor_torch(tmp_path):
    code = (
        "import sys\nfrom lamcore.cli import main\nsys.argv = ['lam', 'completion', 'bash']\n"
        "try:\n    main()\nexcept SystemExit:\n"
        "    print(sorted({'hydra', 'omegaconf', 'torch', 'rich'} & {*sys.modules}))"
    )
    asked = {
        "_LAM_COMPLETE": "bash_complete",
        "COMP_WORDS": f"lam train {HOME} trainer.schedule=cos",
        "COMP_CWORD": "-1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "plain,trainer.schedule=cosine\n[]\n", done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_says_how_to_install_it(lam, shell):
    ended = lam("completion", shell)
    assert ended.out == (SCRIPTS / f"lam.{shell}").read_text(encoding="utf-8")
    assert f"\n# lam completion {shell} > ~/" in ended.out


TYPED = {
    "lam train sou": "lam train source=|",
    "lam train source=para": "lam train source=parallel_text |",
    "lam train metrics=\\[bleu,exact": "lam train metrics=[bleu,exact_match|",
    "lam train trainer.schedule=cos": "lam train trainer.schedule=cosine |",
    "lam comp": "lam completion |",
    "lam train source=tsv +source.train=pai": "lam train source=tsv +source.train=pairs.tsv |",
}
"""What is typed before Tab -> what stands there then, up to the cursor."""


@pytest.fixture
def here(tmp_path):
    """Give a folder that holds a file, and the variables of a shell that finds `lam`."""
    (tmp_path / "pairs.tsv").touch()
    (tmp_path / "lam").write_text(f"#!{sys.executable}\nfrom lamcore.cli import main\nmain()\n")
    (tmp_path / "lam").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COMP", "PROMPT"))}
    return tmp_path, {**kept, "PATH": f"{tmp_path}{os.pathsep}{kept['PATH']}", "TERM": "dumb", "HOME": str(tmp_path)}


@pytest.mark.parametrize("shell", ["bash --norc --noprofile -i", pytest.param("zsh -f -i", marks=pytest.mark.full)])
def test_the_tab_key_of_a_real_shell_completes(shell, here):
    name, *words = shell.split()
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    folder, env = here
    with terminal([name, *words], folder, env) as say:
        say(f". {SCRIPTS / f'lam.{name}'}\nprintf 'RE''ADY'\n", "READY")
        for typed, wanted in TYPED.items():  # Ctrl-A: to where the line begins, so that its words are printed, not run
            heard = say(f"{typed}\tX\x01printf '<%s>' \nprintf 'DO''NE'\n", "DONE")
            assert "".join(f"<{word}>" for word in wanted.replace("|", "X").split(" ")) in heard, heard


@contextlib.contextmanager
def terminal(command, folder, env):
    """Give say(keys, until): type keys in a shell and return what it shows, until it shows that."""
    import pty

    child, end = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, env)

    def say(keys: str, until: str) -> str:
        os.write(end, keys.encode())
        heard, deadline = "", time.monotonic() + HANG
        while until not in heard:
            assert time.monotonic() < deadline, f"{command[0]} shows no more than {heard!r}"
            if select.select([end], [], [], 1)[0]:
                heard += os.read(end, 4096).decode("utf-8", "replace")
        return heard

    try:
        yield say
    finally:
        os.close(end)
        os.waitpid(child, 0)


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes(here):
    folder, env = here
    asked = "; ".join(f"complete -C '{typed}'; echo END" for typed in TYPED)
    command = ["fish", "--no-config", "-c", f". {SCRIPTS / 'lam.fish'}; {asked}"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=HANG)
    found = [part.strip().partition("\t")[0] for part in done.stdout.split("END\n")[:-1]]
    assert found == [wanted.rstrip("| ").split(" ")[-1] for wanted in TYPED.values()], done.stderr
