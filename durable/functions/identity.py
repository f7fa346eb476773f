"""Bearer tokens for `call_http`, from azure-identity."""

from __future__ import annotations

from collections.abc import Callable

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from durable.errors import BadConfig, HttpCallFailed
from durable.model.http import ManagedIdentityTokenSource

_DEFAULT_SCOPE = "/.default"


class IdentityTokens:
    """Tokens of DefaultAzureCredential; it caches them, and asks for new ones in time.

    Args:
        open_credential: the credential for an authority's host; None: the public cloud's.
    """

    def __init__(
        self, open_credential: Callable[[str | None], AsyncTokenCredential] | None = None
    ) -> None:
        self._open = open_credential or default_credential
        self._credentials: dict[str | None, AsyncTokenCredential] = {}

    async def token(self, source: ManagedIdentityTokenSource) -> str:
        """A token for `source`.

        Raises:
            BadConfig: azure-identity is not installed.
            HttpCallFailed: no token is given to this app.
        """
        credential = self._credentials.get(source.authority_host)
        if credential is None:
            credential = self._credentials[source.authority_host] = self._open(
                source.authority_host
            )
        resource = source.resource
        # azure-identity wants scopes. A resource's own slash stays: it is part of its name.
        scope = resource if resource.endswith(_DEFAULT_SCOPE) else f"{resource}{_DEFAULT_SCOPE}"
        try:
            token = await credential.get_token(scope, tenant_id=source.tenant_id)
        except (AzureError, ValueError) as error:
            # The first line says which; the rest tells each credential's own story.
            reason = str(error).partition("\n")[0]
            raise HttpCallFailed(f"No token for {resource!r} could be had: {reason}") from None
        return token.token

    async def close(self) -> None:
        """Give back the credentials' connections."""
        credentials = list(self._credentials.values())
        self._credentials.clear()
        for credential in credentials:
            await credential.close()


def default_credential(authority_host: str | None) -> AsyncTokenCredential:
    """What the environment offers: a managed identity in Azure, a developer's own elsewhere.

    Raises:
        BadConfig: azure-identity is not installed.
    """
    # An optional extra, imported only by those who ask for it.
    try:
        from azure.identity.aio import DefaultAzureCredential
    except ImportError as error:
        raise BadConfig(
            "call_http's token_source needs the package azure-identity: install "
            "'durable[identity]', or add 'azure-identity' to requirements.txt."
        ) from error
    if authority_host is None:
        return DefaultAzureCredential()
    return DefaultAzureCredential(authority=authority_host)
