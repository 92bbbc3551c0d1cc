"""What an operator orders and what goes page by page: backfills and rematches."""
