"""Turning files into arrays."""

from lamella.preprocessing import image as image
