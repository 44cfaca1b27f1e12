"""What programs that use Assay import."""
