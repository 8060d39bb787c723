"""What every part of the package needs: lazy loading, deadlines, forks."""
