"""A receiver that stands in for Application Insights: its ingestion, and a live view that nobody looks at.

It takes what `azure-monitor-opentelemetry` sends, only with a bearer token of an identity that may publish,
as a component with local authentication disabled does. What comes is kept and can be read; sampling at
ingestion, redirects and daily caps are left out.
"""

from emulators.app_insights.app import INSTRUMENTATION_KEY, create_app

__all__ = ["INSTRUMENTATION_KEY", "create_app"]
