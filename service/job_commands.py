"""The commands of jobs: `kshot jobs`."""

from typing import Annotated, Literal

import typer

from service import screen
from service.terminal import LOCAL, AsJson, Url, clear_errors, connect, print_json

jobs = typer.Typer(no_args_is_help=True, help="Work that was accepted and is done later: list, show, wait, cancel.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Its id.")]
State = Annotated[
    Literal["queued", "running", "succeeded", "failed", "cancelled"] | None, typer.Option(help="Only in this state.")
]


@jobs.command("list", epilog="Example: kshot jobs list --state running")
def list_(state: State = None, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """List jobs, newest first."""
    with clear_errors(), connect(url) as kshot:
        found = list(kshot.jobs(state=state))
    if as_json:
        print_json([job.model_dump(mode="json") for job in found])
        return
    rows = [(job.id, job.kind, job.state, job.task) for job in found]
    screen.show(screen.table("job", "kind", "state", "task", rows=rows, whole=["job", "task"]))


@jobs.command("show", epilog="Example: kshot jobs show job_01KAZ0 --wait")
def show(
    job: JobId,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is over.")] = False,
    url: Url = LOCAL,
) -> None:
    """Show a job as JSON: its state, and its result or what is wrong."""
    with clear_errors(), connect(url) as kshot:
        print_json((kshot.wait(job) if wait else kshot.job(job)).model_dump(mode="json"))


@jobs.command("cancel", epilog="Example: kshot jobs cancel job_01KAZ0")
def cancel(job: JobId, url: Url = LOCAL) -> None:
    """End a job without effect."""
    with clear_errors(), connect(url) as kshot:
        typer.echo(f"{kshot.cancel(job).id} is cancelled")
