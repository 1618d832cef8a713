await FileServerProgram.launch()
