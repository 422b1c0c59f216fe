"""An id and a hash that the other examples use."""

UUID = "0b6f4b1c-6f0e-4a57-9c53-8c1b3c1f3d52"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
