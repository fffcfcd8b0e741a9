"""The two ends of a conversation that frameworks own: a scheduler's with its master, an executor's with its agent.

State machines without input or output: `machine.handle(step, now) -> effects`. `tepui.session.steps` holds what goes in
and out of both, `tepui.session.scheduler` and `tepui.session.executor` the machines. `tepui.scheduler` and
`tepui.executor` run them over HTTP.
"""
