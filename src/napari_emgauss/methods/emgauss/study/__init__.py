"""Study of a stack before its training: single sections, the teacher, evidence, the spacing of Gaussians."""

from napari_emgauss.methods.emgauss.study.examination import (
    Examined,
    corrected_like,
    describe_sections,
    examine,
    examined_before,
)
from napari_emgauss.methods.emgauss.study.findings import Study, study, study_before
from napari_emgauss.methods.emgauss.study.teacher import (
    GUESSES,
    MixtureTeacher,
    describe_evidence,
    hidden_in_words,
    hidden_verdict,
)

__all__ = [
    "GUESSES",
    "Examined",
    "MixtureTeacher",
    "Study",
    "corrected_like",
    "describe_evidence",
    "describe_sections",
    "examine",
    "examined_before",
    "hidden_in_words",
    "hidden_verdict",
    "study",
    "study_before",
]
