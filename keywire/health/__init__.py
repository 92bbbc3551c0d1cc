"""Health: what an operator, an alert or a load balancer asks."""
