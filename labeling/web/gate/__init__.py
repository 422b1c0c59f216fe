"""What every request passes before its page: middleware, sign-in, limits; and the endpoints for monitors."""
