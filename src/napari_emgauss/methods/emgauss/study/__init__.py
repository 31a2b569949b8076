"""Study of a stack before its training: single sections, the teacher, evidence, the spacing of Gaussians."""

from napari_emgauss.methods.emgauss.study.examination import Examined, corrected_like, describe_sections, examine
from napari_emgauss.methods.emgauss.study.findings import Study, study
from napari_emgauss.methods.emgauss.study.teacher import MixtureTeacher, describe_evidence, hidden_verdict

__all__ = [
    "Examined",
    "MixtureTeacher",
    "Study",
    "corrected_like",
    "describe_evidence",
    "describe_sections",
    "examine",
    "hidden_verdict",
    "study",
]
