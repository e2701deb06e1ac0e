"""Who answers: offices, the rules that name them, and the check of the office a reporter chose."""
