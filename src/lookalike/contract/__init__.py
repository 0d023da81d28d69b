"""What every method promises, as tests that anybody can run on a method of their own.

pytest --pyargs lookalike.contract --method mine.py:BYOL
"""
