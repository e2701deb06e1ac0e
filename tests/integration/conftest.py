from __future__ import annotations

import pytest

from lapor_nlp import Router


@pytest.fixture(scope="session")
def router() -> Router:
    return Router.load()
