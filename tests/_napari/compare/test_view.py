"""The view of Compare."""


def test_the_images_fit_a_window_of_their_own_and_come_back(compare, open_model, settled):
    settled(compare)
    compare.view.enlarge()
    assert compare.view.panes.window() is not compare.view.window()
    compare.go_to(z=0.5)
    settled(compare)
    compare.view.panes.window().close()
    assert compare.view.panes.window() is compare.view.window()
    assert not compare.view.enlarge_button.isHidden()
