"""The specifications: one folder a ladder, one file a step; `spec/harness` specifies the harness itself."""
