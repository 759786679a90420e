"""Budgets that hold: what a call may cost is reserved before it is sent, and settled after it.

Budget, BudgetRule   what is allowed, and what happens where it is not enough     value
Account              one budget at work: a scope's, or a user's this month        account
Demand               what a call may take at most                                 demand
Gate                 asks every account above a call, all or none of them         gate
Reservation          what a call was let in for, until its truth is known         reservation
BudgetStore          who keeps the figures: this process, or Redis for many       store, shared
"""
