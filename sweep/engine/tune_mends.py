"""What Ray Tune does that a sweep cannot live with, changed in the process of the driver.

They touch what Tune keeps inside; each has a test that fails when a version of Ray no longer needs
it or no longer takes it.
"""

from typing import Any

from ray.tune.execution import class_cache
from ray.tune.execution.tune_controller import TuneController

from sweep.engine.failures import happens_again

_reuse = TuneController._maybe_reuse_cached_actor
_process_failure = TuneController._process_trial_failure


def mend_tune() -> None:
    """Change Tune for this process; doing it again changes nothing."""
    _keep_keys_to_ourselves()
    TuneController._maybe_reuse_cached_actor = _reuse_unless_one_is_on_its_way  # type: ignore[method-assign, assignment]
    TuneController._process_trial_failure = _try_again_what_may_help  # type: ignore[method-assign, assignment]


def _keep_keys_to_ourselves() -> None:
    """Leave the keys of AWS out of what Tune tells Ray of a trial's environment.

    Ray's agent writes that into a log that anyone may read. Trials inherit the environment of their
    node, which has its own keys, or its own role.
    """
    named: frozenset[str] = frozenset(class_cache.ENV_VARS_TO_PROPAGATE)
    class_cache.ENV_VARS_TO_PROPAGATE = {name for name in named if not name.startswith("AWS_")}


def _reuse_unless_one_is_on_its_way(controller: TuneController, trial: Any) -> bool:
    """Let a trial wait for the actor that starts for it, and give the free one to the next trial.

    Tune gives a free actor to a trial that waits for a new one, and stops the new one. Where trials
    take less time than an actor takes to start, no actor that died is then ever replaced: the one
    that lives serves all trials, one after another. An actor that has no place yet is another
    matter: where a node was lost there may never be one, so its trial takes what is free.
    """
    actor = controller._trial_to_actor.get(trial)
    is_on_its_way = actor is not None and controller._actor_manager.is_actor_started(actor)
    if is_on_its_way and trial not in controller._resetting_trials:
        return False
    reused: bool = _reuse(controller, trial)
    return reused


def _try_again_what_may_help(controller: TuneController, trial: Any, exception: Any) -> None:
    """Let a trial fail at once whose error would only come again, whatever retries it has left."""
    if happens_again(exception):
        trial.max_failures = 0
    _process_failure(controller, trial, exception)
