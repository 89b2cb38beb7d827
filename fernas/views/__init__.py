"""Views: what the networks see of a sample, one file per view, and the stored inputs of a task.

Plug-ins: `still`, `apex`, `apex_minus_onset`, `dynamic`, `lbp_top`. May import: core, faces.
"""
