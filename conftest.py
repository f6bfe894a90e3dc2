"""What the workflows of this project need of pytest: nothing beyond the plugin itself."""
