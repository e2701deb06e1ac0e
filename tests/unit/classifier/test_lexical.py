from __future__ import annotations

import numpy as np
import pytest

from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.classifier.features import FeatureSettings, LexicalFeatures, inverse_document_frequency
from lapor_nlp.classifier.prediction import Prediction
from lapor_nlp.text.tokens import Tokens, words

pytest.importorskip("sklearn")
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical, thin

ROAD = ["jalan rusak parah", "jalan berlubang dalam", "aspal jalan mengelupas", "lubang di jalan raya"]
WATER = ["air keran mati", "air pdam keruh", "pipa pdam bocor", "air tidak mengalir"]
WASTE = ["sampah menumpuk bau", "sampah tidak diangkut", "truk sampah jarang datang", "bakar sampah tiap sore"]


def tokens(text: str) -> Tokens:
    forms, starts, ends = words(text)
    return Tokens(forms, forms, starts, ends)


def predict(fitted: Classifier, texts: list[str]) -> list[Prediction]:
    return [row["topic"] for row in fitted.score(texts, [tokens(text) for text in texts]).predictions()]


def model() -> Classifier:
    texts = [*ROAD, *WATER, *WASTE]
    labels = ["jalan"] * 4 + ["air"] * 4 + ["sampah"] * 4
    config = LexicalConfig(features=FeatureSettings(bits=12), fewest=1, strength=1.0)
    lexical = fit_lexical([tokens(t) for t in texts], {"topic": labels}, config)
    return Classifier(lexical=lexical, mixes={"topic": Mix(lexical=1.0)})


def test_columns_stay_inside_the_width() -> None:
    features = LexicalFeatures(FeatureSettings(bits=8))
    ids = features.ids(tokens("lubang besar di tengah jalan 2026"))
    assert ids.min() >= 0
    assert ids.max() < 256


def test_digits_all_count_as_zero() -> None:
    features = LexicalFeatures(FeatureSettings())
    assert np.array_equal(features.ids(tokens("rt 05 rw 11")), features.ids(tokens("rt 99 rw 00")))


def test_a_standard_form_counts_in_place_of_what_was_written() -> None:
    features = LexicalFeatures(FeatureSettings())
    written = Tokens(("jln", "rsk"), ("jalan", "rusak"), (0, 4), (3, 7))
    assert np.array_equal(features.ids(written), features.ids(tokens("jalan rusak")))


def test_each_half_has_length_one() -> None:
    features = LexicalFeatures(FeatureSettings(bits=12))
    counts = features.counts([tokens(t) for t in ROAD])
    matrix = features.weigh(counts, inverse_document_frequency(counts, 1))
    upper = matrix.indices >= 2048
    rows = np.repeat(np.arange(4), np.diff(matrix.indptr))
    for half in (upper, ~upper):
        lengths = np.sqrt(np.bincount(rows[half], weights=matrix.data[half] ** 2, minlength=4))
        assert np.allclose(lengths, 1)


def test_rare_columns_weigh_nothing() -> None:
    features = LexicalFeatures(FeatureSettings(bits=12))
    counts = features.counts([tokens("jalan"), tokens("jalan"), tokens("sekali")])
    idf = inverse_document_frequency(counts, 2)
    rare = features.counts([tokens("sekali")])
    assert idf[features.counts([tokens("jalan")]).indices].min() > 0
    assert features.weigh(rare, idf).data.max() <= 1
    assert (idf[rare.indices] == 0).sum() >= 5


def test_predictions_are_ranked_probabilities() -> None:
    for prediction in predict(model(), ["jalan kami berlubang", ""]):
        assert sum(prediction.scores) == pytest.approx(1)
        assert list(prediction.scores) == sorted(prediction.scores, reverse=True)
        assert set(prediction.labels) == {"jalan", "air", "sampah"}


def test_it_learns() -> None:
    predicted = predict(model(), ["ada lubang di jalan", "air pdam mati", "sampah bau"])
    assert [p.label for p in predicted] == ["jalan", "air", "sampah"]


def test_a_batch_answers_like_one_by_one() -> None:
    texts = [*ROAD, "", *WATER]
    fitted = model()
    together = predict(fitted, texts)
    alone = [predict(fitted, [t])[0] for t in texts]
    assert [p.labels for p in together] == [p.labels for p in alone]
    assert np.allclose([p.scores for p in together], [p.scores for p in alone])


def test_no_texts_no_predictions() -> None:
    assert predict(model(), []) == []


def test_the_explanation_names_the_word_that_matters() -> None:
    fitted = model()
    text = "tolong dong pdam keruh"
    prediction = predict(fitted, [text])[0]
    best = fitted.explain(text, tokens(text), "topic", prediction)[0]
    assert prediction.label == "air"
    assert text[best.evidence.start : best.evidence.end] in ("pdam", "keruh")
    assert 0 < best.weight <= 1


def test_nothing_to_explain_in_an_empty_text() -> None:
    fitted = model()
    assert fitted.explain("", tokens(""), "topic", predict(fitted, [""])[0]) == ()


def test_thinning_keeps_the_largest() -> None:
    thinned = thin(np.array([[0.1, -0.9], [0.5, 0.2]]), 2).toarray()
    assert np.allclose(thinned, [[0, -0.9], [0.5, 0]])


def test_strange_texts_are_rarer_than_familiar_ones() -> None:
    lexical = model().lexical
    texts = ["lampu jalan mati", "lampu mati wolkenkratzer", "wolkenkratzer zwischen", ""]
    rarity = lexical.rarity(lexical.features.counts([tokens(text) for text in texts]))
    assert rarity.tolist() == sorted(rarity.tolist())
    assert rarity[0] < rarity[1] < rarity[2]
    assert rarity[3] == lexical.idf[: lexical.idf.size // 2].max() + 1
