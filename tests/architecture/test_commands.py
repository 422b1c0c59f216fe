"""Test that every management command has a help text."""

import pytest
from django.core.management import ManagementUtility, get_commands, load_command_class

APPS = {name: app for name, app in get_commands().items() if app in ("demo", "labeling")}
COMMANDS = sorted(APPS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_what_it_does_and_an_unknown_option_is_refused(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        ManagementUtility(["manage.py", name, "--help"]).execute()
    assert exit.value.code == 0
    assert f"manage.py {name}" in capsys.readouterr().out
    assert load_command_class(APPS[name], name).help.strip()
    with pytest.raises(SystemExit) as exit:
        ManagementUtility(["manage.py", name, "--no-such-option"]).execute()
    assert exit.value.code not in (0, None)
    assert "Traceback" not in capsys.readouterr().err
