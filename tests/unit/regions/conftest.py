import pytest

from lapor_nlp.regions.gazetteer import Gazetteer
from lapor_nlp.regions.locator import Locator
from lapor_nlp.regions.outlines import Outlines


@pytest.fixture(scope="session")
def locator() -> Locator:
    return Locator.load()


@pytest.fixture(scope="session")
def gazetteer(locator: Locator) -> Gazetteer:
    return locator.gazetteer


@pytest.fixture(scope="session")
def outlines(gazetteer: Gazetteer) -> Outlines:
    return Outlines.load(gazetteer)
