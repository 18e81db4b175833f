"""SetFit (Tunstall et al. 2022) on the same base: the encoder fine-tuned on pairs of texts, then a linear head."""

import tempfile

import numpy as np

from benchmarks.text.asked import Asked, Labels
from models.bases import find

ITERATIONS, BATCH = 5, 16  # pairs of each text; the paper's 20 cost four times as much


def setfit(asked: Asked) -> Labels:
    """Trained by the package `setfit`, one pass over its pairs."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    shown = Dataset.from_dict({"text": asked.texts, "label": asked.classes.tolist()})
    model = SetFitModel.from_pretrained(str(find("minilm", "model.safetensors").parent), device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        chosen = TrainingArguments(
            output_dir=folder,
            num_iterations=ITERATIONS,
            batch_size=BATCH,
            num_epochs=1,
            save_strategy="no",
            report_to="none",
            seed=0,
        )
        Trainer(model, args=chosen, train_dataset=shown).train()
    return np.asarray(model.predict(list(asked.content.queries)), np.int64)
