"""The strict content security policy of every page: nothing inline, nothing from other sites."""

from playwright.sync_api import BrowserContext, Route

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


def keep_to_policy(context: BrowserContext) -> list[str]:
    """Serve every page of the context with the policy. Return a list that collects the browser's complaints."""
    said: list[str] = []

    def with_policy(route: Route) -> None:
        if route.request.resource_type != "document":
            route.continue_()
            return
        response = route.fetch(max_redirects=0)
        route.fulfill(response=response, headers={**response.headers, "content-security-policy": POLICY})

    context.on("console", lambda message: message.type == "error" and said.append(message.text))
    context.route("**/*", with_policy)
    return said
