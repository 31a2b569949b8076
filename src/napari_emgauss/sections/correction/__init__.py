"""Brightness and shifts of sections: estimated, judged on hidden sections, evened out."""
