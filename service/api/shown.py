"""What /docs shows of each path: a summary that tells it from the others, and bodies to try."""

from typing import Any

SUMMARIES = {  # of others, what their description begins with
    "jobs_page": "List jobs",
    "jobs_read": "Look at a job",
    "jobs_cancel": "Cancel a job",
    "jobs_events": "Watch a job",
    "limits_read": "What one request may hold",
    "models_page": "List models",
    "models_read": "Look at a model",
    "tasks_page": "List tasks",
    "tasks_create": "Make a task: adapt a model to examples",
    "files_import_task": "Import a task",
    "tasks_delete": "Delete a task",
    "tasks_read": "Look at a task",
    "tasks_update": "Rename a task",
    "evaluations_evaluate": "Evaluate a task on examples whose answers are known",
    "files_export": "Export a task",
    "predictions_predict": "Predict: ask a task",
    "versions_readapt": "Move a task to a newer model",
    "versions_rollback": "Go back to an earlier version",
    "support_page": "List the examples of a task",
    "support_extend": "Teach a task more examples",
    "support_forget": "Forget an example",
    "versions_page": "List the versions of a task",
    "files_weights": "Download the weights of a task",
}

LOST, PIN = "my card has been stolen", "I want a different PIN"
CREATE: dict[str, dict[str, Any]] = {
    "texts": {
        "summary": "Texts and their labels",
        "value": {
            "model": "text",
            "name": "messages to a bank",
            "support": [
                {"input": LOST, "label": "lost"},
                {"input": "I left my card on the train", "label": "lost"},
                {"input": PIN, "label": "pin"},
                {"input": "how do I set a new code", "label": "pin"},
            ],
        },
    },
    "names": {
        "summary": "No examples: what the labels mean",
        "value": {
            "model": "text",
            "label_names": {"lost": "the card is lost or stolen", "pin": "change the PIN of a card"},
        },
    },
    "several": {
        "summary": "Texts that may have several labels, or none",
        "value": {
            "model": "text",
            "support": [
                {"input": "play jazz when it rains", "label": ["music", "weather"]},
                {"input": "play some jazz", "label": ["music"]},
                {"input": "will it rain", "label": ["weather"]},
                {"input": LOST, "label": []},
            ],
        },
    },
    "frames": {
        "summary": "Intents and slots",
        "value": {
            "model": "frames",
            "support": [
                {
                    "input": "play Skyfall by Adele",
                    "label": "play_music",
                    "slots": [{"name": "track", "start": 5, "end": 12}, {"name": "artist", "start": 16, "end": 21}],
                },
                {"input": "what is the weather like", "label": "get_weather"},
            ],
        },
    },
    "curve": {
        "summary": "A function of one variable",
        "value": {
            "model": "curves",
            "support": [{"input": [x], "target": y} for x, y in ((-2, -0.91), (0, 0), (2, 0.91))],
        },
    },
}
PREDICT: dict[str, dict[str, Any]] = {
    "texts": {"summary": "Texts", "value": {"inputs": ["someone took my bank card", "replace my PIN"]}},
    "numbers": {"summary": "Numbers", "value": {"inputs": [[-1], [1]]}},
}
BODIES = {"tasks_create": CREATE, "predictions_predict": PREDICT}


def show(operation: dict[str, Any]) -> None:
    """Give an operation of the document its summary, and examples of its body."""
    name, told = operation["operationId"], operation.get("description", "")
    operation["summary"] = SUMMARIES.get(name) or told.partition(".")[0].partition(";")[0].partition(":")[0]
    if name in BODIES:
        operation["requestBody"]["content"]["application/json"]["examples"] = BODIES[name]
