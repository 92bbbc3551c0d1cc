"""Operations that an operator starts: replay, backfill, rematch."""
