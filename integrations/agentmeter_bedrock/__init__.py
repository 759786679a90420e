"""Meters Amazon Bedrock's runtime by ``botocore`` (boto3) 1.43 on, and by ``aiobotocore`` 3.x:
Converse and InvokeModel.
"""

from typing import Any, ClassVar


class BedrockIntegration:
    """Meters every ``bedrock-runtime`` client of the installed ``botocore``, whoever made it.

    Streams and the models' own bodies are metered as they are read.
    """

    name = "bedrock"
    library = "botocore"
    supported: ClassVar = {"botocore": ">=1.43.117,<=1.44.8", "aiobotocore": ">=3.10.0,<=3.10.0"}
    unknown = "the reasoning inside of an output that a model states as one sum"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where botocore is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_bedrock.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_bedrock.patch import PATCHES

        PATCHES.undo()


__all__ = ["BedrockIntegration"]
