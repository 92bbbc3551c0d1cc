"""The proof that nothing is lost: videos under faults, then an audit from outside.

A plan that a seed decides (`plan`), the stack as processes and what is done to it (`run`, `lives`,
`disturbances`), the wait until nothing moves any more (`quiet`), and what is found then: collected
(`collect`) and judged (`audit`, pure, without Keywire's own code, whose errors it would share).
"""
