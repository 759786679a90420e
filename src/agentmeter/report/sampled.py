"""What is said of requests that only a pipeline that samples has told of."""

SAMPLED = (
    "requests known only from a pipeline that drops others like them: every total is a lower bound"
)
